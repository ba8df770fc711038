import type { Message } from '../contract.js';

/** Names topics and the type of their bodies: `interface Topics { orders: Order; invoices: Invoice }`. */
export type TopicMap = object;

/** The map of a producer that names no topics: any topic, any body. */
export type AnyTopics = Record<string, unknown>;

type MessageOf<Topic extends string, Body> = Omit<Message, 'topic' | 'body' | 'bodyBase64'> & { topic: Topic } & (
    { body: Body; bodyBase64?: never } | { bodyBase64: string; body?: never }
  );

/** A message to one of the topics, with a body of that topic's type; to any topic where the map names none. */
export type TopicMessage<Topics extends TopicMap = AnyTopics> = [keyof Topics] extends [never]
  ? MessageTo<AnyTopics>
  : MessageTo<Topics>;

type MessageTo<Topics extends TopicMap> = {
  [Topic in keyof Topics & string]: MessageOf<Topic, Topics[Topic]>;
}[keyof Topics & string];
