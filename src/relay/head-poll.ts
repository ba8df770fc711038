import type { LaneStore } from '../store/lane-store.js';
import type { OwnedSubscriptions } from './owned-subscriptions.js';
import type { RelaySettings } from './relay-settings.js';

/**
 * Finds shards that grew without this node being told: one statement for many topics, and none for those whose lanes all
 * have more to read already.
 */
export class HeadPoll {
  /** Topics that someone said have grown. */
  readonly #wanted = new Set<string>();
  #polledAt = -Infinity;
  /** Where the next part of the topics begins, while they are polled in parts. */
  #position = 0;

  /** @param quiet whether this node hears of every append: it is alone, or there is a wake channel */
  constructor(
    private readonly store: Pick<LaneStore, 'heads'>,
    private readonly owned: OwnedSubscriptions,
    private readonly settings: RelaySettings,
    private readonly quiet: () => boolean,
  ) {}

  /** Looks at these topics at the next run. */
  want(topics: Iterable<string>): void {
    for (const topic of topics) this.#wanted.add(topic);
  }

  /** True when more of what was asked for is waiting. */
  async runOnce(now: number): Promise<boolean> {
    const quiet = this.quiet();
    const intervalMs = quiet ? this.settings.headsIntervalMs : this.settings.headsIntervalSharedMs;
    const topics = this.#takeWanted();
    // A little early rather than one interval late: timers are not exact.
    if (now - this.#polledAt >= intervalMs * 0.9) {
      this.#polledAt = now;
      for (const topic of this.#idle(quiet)) topics.add(topic);
    }
    const all = [...topics];
    for (let start = 0; start < all.length; start += this.settings.headsTopicsMax) {
      await this.#poll(all.slice(start, start + this.settings.headsTopicsMax));
    }
    return this.#wanted.size > 0;
  }

  #takeWanted(): Set<string> {
    const topics = new Set<string>();
    for (const topic of this.#wanted) {
      if (topics.size >= this.settings.headsTopicsMax) break;
      this.#wanted.delete(topic);
      topics.add(topic);
    }
    return topics;
  }

  /** Topics whose growth is the only thing that can bring more. Where polling only makes sure, a part of them at a time. */
  #idle(quiet: boolean): string[] {
    const idle: string[] = [];
    for (const topic of this.owned.topics()) {
      for (const relay of this.owned.ofTopic(topic)) {
        if (!relay.waitsForGrowth) continue;
        idle.push(topic);
        break;
      }
    }
    const { headsTopicsMax } = this.settings;
    if (!quiet || idle.length <= headsTopicsMax) return idle;
    if (this.#position >= idle.length) this.#position = 0;
    const part = idle.slice(this.#position, this.#position + headsTopicsMax);
    this.#position += headsTopicsMax;
    return part;
  }

  async #poll(topics: string[]): Promise<void> {
    try {
      for (const { topic, shard, nextOffset } of await this.store.heads(topics)) {
        for (const relay of this.owned.ofTopic(topic)) relay.grown(shard, nextOffset);
      }
    } catch (error) {
      this.want(topics);
      throw error;
    }
  }
}
