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
    for (const { topic, group, owner, epoch, changedAt } of await this.store.changedSince(since, changesMax)) {
      const relay = this.owned.get(topic, group);
      if (relay !== null) await this.#changed(relay, changedAt);
      // The answer to a claim was lost: without this, nobody would deliver it.
      else if (owner === this.nodeId && !this.owned.has(topic, group)) this.owned.owe({ topic, group, epoch });
    }
    this.#since = now - overlapMs;
  }

  async #changed(relay: SubscriptionRelay, changedAt: number): Promise<void> {
    if ((this.#seen.get(relay) ?? relay.claimedAt) === changedAt) return;
    await this.owned.reconcile(relay, () => this.store.get(relay.topic, relay.group));
    this.#seen.set(relay, changedAt);
  }
}
