import type { StoredMessage } from '../message/message.js';
import type { LaneStore } from '../store/lane-store.js';
import type { RecentMessages } from './recent-messages.js';

/** Bodies of messages: from memory where they are, else from the store. */
export class MessageReader {
  /** @param readers how many subscriptions of a topic this node gives out */
  constructor(
    private readonly recent: RecentMessages,
    private readonly store: Pick<LaneStore, 'readMessages'>,
    private readonly readers: (topic: string) => number,
  ) {}

  /** The messages of a topic in the order of the ids; `undefined` for one that the store does not have. */
  async read(topic: string, ids: string[]): Promise<(StoredMessage | undefined)[]> {
    const shared = this.readers(topic) > 1;
    const found = ids.map((id) => (shared ? this.recent.get(id) : this.recent.take(id)));
    const missing = ids.filter((_, index) => found[index] === undefined);
    if (missing.length === 0) return found;
    const read = await this.store.readMessages(missing);
    if (shared) this.recent.remember(read.values());
    return ids.map((id, index) => found[index] ?? read.get(id));
  }
}
