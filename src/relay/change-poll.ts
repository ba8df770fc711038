import type { SubscriptionStore } from '../store/subscription-store.js';
import type { OwnedSubscriptions } from './owned-subscriptions.js';
import type { SubscriptionRelay } from './subscription-relay.js';

/** Changes are looked for again for this long: their database transaction may have been committed late. */
const overlapMs = 3_000;
const changesMax = 10_000;

/** Finds subscriptions that were changed through another node: configuration, pause, seek, redrive. */
export class ChangePoll {
  #since: number | null = null;
  /** The change of each that was looked at last. */
  readonly #seen = new WeakMap<SubscriptionRelay, number>();

  constructor(
    private readonly store: Pick<SubscriptionStore, 'changedSince' | 'get'>,
    private readonly owned: OwnedSubscriptions,
    private readonly nodeId: string,
  ) {}

  /** Changes count from now on: to be called before the first claim, whose answer may be lost long before the first run. */
  begin(now: number): void {
    this.#since = now - overlapMs;
  }

  async runOnce(now: number): Promise<void> {
    const since = this.#since ?? now - overlapMs;
    const changes = await this.store.changedSince(since, changesMax);
    let next = now - overlapMs;
    for (const { topic, group, owner, epoch, changedAt } of changes) {
      const relay = this.owned.get(topic, group);
      if (relay !== null) await this.#changed(relay, changedAt);
      else if (owner !== this.nodeId) continue;
      // A claim is under way, and its answer may yet be lost: this is looked at again then, however long that takes.
      else if (this.owned.has(topic, group)) next = Math.min(next, changedAt);
      // The answer to a claim was lost: without this, nobody would deliver it.
      else this.owned.owe({ topic, group, epoch });
    }
    // There may be more of them than were read. Those of one millisecond must not hold up the later ones for good.
    if (changes.length === changesMax) next = Math.min(next, Math.max(changes.at(-1)!.changedAt, since + 1));
    this.#since = next;
  }

  async #changed(relay: SubscriptionRelay, changedAt: number): Promise<void> {
    if ((this.#seen.get(relay) ?? relay.claimedAt) === changedAt) return;
    await this.owned.reconcile(relay, () => this.store.get(relay.topic, relay.group));
    this.#seen.set(relay, changedAt);
  }
}
