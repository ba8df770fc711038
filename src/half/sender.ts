import type { Clock } from '../message/clock.js';
import type { NewMessage } from '../message/message.js';
import type { Topic } from '../store/catalog-store.js';
import type { AppendedMessage } from '../store/half-store.js';
import { identify } from './identify.js';
import type { LogWriter } from './log-writer.js';
import type { TopicCatalog } from './topic-catalog.js';

/** Plain sends: stored and visible at once, or at their time. */
export class Sender {
  constructor(
    private readonly topics: TopicCatalog,
    private readonly log: LogWriter,
    private readonly clock: Clock,
  ) {}

  /**
   * Stores the messages of one call, all or none, in array order within an ordering key; durable when it resolves.
   * Repeating the call with the same ids and content answers the same. `id-reused`, `topic-not-found`, `body-too-large`.
   */
  async send(messages: NewMessage[]): Promise<AppendedMessage[]> {
    const topics = this.topics.known(messages) ?? (await this.topics.resolve(messages));
    return this.#append(messages, topics);
  }

  /** Not async: what was given is let go while the store works. */
  #append(given: NewMessage[], topics: Map<string, Topic>): Promise<AppendedMessage[]> {
    const { messages, bytes } = identify(given, topics, this.clock.now());
    return this.log.append({ kind: 'send', messages }, bytes).then((result) => result.messages);
  }
}
