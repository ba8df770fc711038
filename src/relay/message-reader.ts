import type { StoredMessage } from '../message/message.js';
import type { LaneStore } from '../store/lane-store.js';
import type { RecentMessages } from './recent-messages.js';

/** Bodies of messages: from memory where they are, else from the store. */
export class MessageReader {
  constructor(
    private readonly recent: RecentMessages,
    private readonly store: Pick<LaneStore, 'readMessages'>,
  ) {}

  /** The messages in the order of the ids; `undefined` for one that the store does not have. */
  async read(ids: string[]): Promise<(StoredMessage | undefined)[]> {
    const found = ids.map((id) => this.recent.get(id));
    const missing = ids.filter((_, index) => found[index] === undefined);
    if (missing.length === 0) return found;
    const read = await this.store.readMessages(missing);
    this.recent.remember(read.values());
    return ids.map((id, index) => found[index] ?? read.get(id));
  }
}
