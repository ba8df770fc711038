import type { MessagePlace, ResolvedTransaction } from '../contract.js';
import type { AnyTopics, TopicMap, TopicMessage } from './topic-map.js';

/** How one transaction is run. */
export interface LocalTransactionOptions {
  /** Of the transaction. Default: a new UUIDv7. An id that was used before cannot be used for other messages. */
  transactionId?: string | undefined;
  /** When the broker first asks how a silent transaction ended. Default: the producer's setting. */
  firstCheckAfterMs?: number | undefined;
  /** Bound of the local transaction, after which it is rolled back. */
  timeoutMs?: number | undefined;
  /** Of the local transaction. Default: the database's. */
  isolation?: 'READ UNCOMMITTED' | 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE' | undefined;
}

/** A transaction whose local part is committed. */
export interface FinishedTransaction<Result> {
  transactionId: string;
  /** What the work returned. */
  result: Result;
  /**
   * The broker's answer to the commit. Undefined when none came: check-back commits the messages then; and when there was
   * no message.
   */
  committed: ResolvedTransaction | undefined;
}

/** What the work of {@link LocalTransactions.transaction} gets: its database transaction, and a way to add messages to it. */
export interface OpenTransaction<Manager, Topics extends TopicMap = AnyTopics> {
  readonly id: string;
  readonly manager: Manager;
  /** Adds a message: prepared before the local commit, visible after it. At most 100 in a transaction. Answers its id. */
  send(message: TopicMessage<Topics>): Pick<MessagePlace, 'id' | 'topic'>;
}

// Declared as methods, so that a work may name the type of its manager where the producer does not know it.

/** Work in a local database transaction. */
export type Work<Manager, Result> = { run(manager: Manager): Promise<Result> }['run'];

/** Work in a local database transaction that finds out which messages to send. */
export type MessageWork<Manager, Topics extends TopicMap, Result> = {
  run(transaction: OpenTransaction<Manager, Topics>): Promise<Result>;
}['run'];

/**
 * Runs local database transactions whose messages become visible when, and only when, they commit. `Manager` is what the
 * application's work writes with, such as TypeORM's `EntityManager`.
 */
export interface LocalTransactions<Manager = unknown> {
  /** Prepares the messages, runs the work in a local transaction, commits both. A failed prepare never runs the work. */
  sendInTransaction<Result, Topics extends TopicMap = AnyTopics>(
    messages: TopicMessage<Topics> | readonly TopicMessage<Topics>[],
    work: Work<Manager, Result>,
    options?: LocalTransactionOptions,
  ): Promise<FinishedTransaction<Result>>;
  /** The same for messages that only the work knows: they are prepared just before the local commit. */
  transaction<Result, Topics extends TopicMap = AnyTopics>(
    work: MessageWork<Manager, Topics, Result>,
    options?: LocalTransactionOptions,
  ): Promise<FinishedTransaction<Result>>;
}
