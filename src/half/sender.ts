import type { Clock } from '../message/clock.js';
import type { NewMessage, StoredMessage } from '../message/message.js';
import type { AppendedMessage } from '../store/half-store.js';
import { identify } from './identify.js';
import type { LogWriter } from './log-writer.js';
import type { TopicCatalog } from './topic-catalog.js';

/** Plain sends: stored and visible at once, or at their time. */
export class Sender {
  /** @param remember told the messages after they are stored, so that the relay need not read them back */
  constructor(
    private readonly topics: TopicCatalog,
    private readonly log: LogWriter,
    private readonly clock: Clock,
    private readonly remember: (messages: StoredMessage[]) => void = () => {},
  ) {}

  /**
   * Stores the messages of one call, all or none, in array order within an ordering key; durable when it resolves.
   * Repeating the call with the same ids and content answers the same. `id-reused`, `topic-not-found`, `body-too-large`.
   */
  async send(messages: NewMessage[]): Promise<AppendedMessage[]> {
    const topics = await this.topics.resolve(messages.map(({ topic }) => topic));
    const now = this.clock.now();
    const identified = identify(messages, topics, now);
    // Remembered before they are visible, so that the first reader finds them; a failed send only wastes the room.
    this.remember(identified.messages.map((message) => ({ ...message, storedAt: now })));
    const result = await this.log.append({ kind: 'send', messages: identified.messages }, identified.bytes);
    return result.messages;
  }
}
