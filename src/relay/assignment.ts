import { eachLimited } from '../runtime/each-limited.js';
import type { Logger } from '../runtime/logger.js';
import type { LaneStore } from '../store/lane-store.js';
import type { NodeRow, NodeStore } from '../store/node-store.js';
import type { Subscription } from '../store/subscription-store.js';
import type { NodeLease } from './node-lease.js';
import type { OwnedSubscriptions } from './owned-subscriptions.js';
import type { RelaySettings } from './relay-settings.js';
import { nameOf, preferredNode } from './rendezvous.js';
import type { SubscriptionRelay } from './subscription-relay.js';

/** Rows of dead nodes are kept this long, for people to see. */
const deadNodeKeptMs = 60_000;
/** A free subscription that its preferred node did not take for so many leases is taken by any. */
const leasesBeforeAny = 3;

/** Shares the subscriptions among the live nodes: claims the free ones that this node should have, gives back the others. */
export class Assignment {
  #live: NodeRow[] = [];
  #liveIds = '';
  /** Free subscriptions that another node should have taken, since when. */
  #freeSince = new Map<string, number>();
  /** Free subscriptions that callers wait for. */
  #wanted = new Map<string, Subscription>();

  constructor(
    private readonly nodes: NodeStore,
    private readonly store: Pick<LaneStore, 'claimable'>,
    private readonly owned: OwnedSubscriptions,
    private readonly lease: NodeLease,
    private readonly settings: RelaySettings,
    private readonly logger: Logger,
  ) {}

  /** The live nodes as last seen, this one included. */
  get live(): readonly NodeRow[] {
    return this.#live;
  }

  /** A caller waits for this free subscription: the next round begins with it. Of many callers some wait like all others. */
  want(subscription: Subscription): void {
    if (this.#wanted.size < this.settings.claimBatch) this.#wanted.set(nameOf(subscription), subscription);
  }

  /** True when more may be waiting to be claimed. */
  async runOnce(now: number): Promise<boolean> {
    if (!this.lease.holds) return false;
    this.#live = await this.nodes.live(now);
    const ids = this.#live.map(({ id }) => id).sort();
    if (!ids.includes(this.lease.node.id)) return false;
    await this.owned.releaseOwed();
    const more = await this.#claimFree(ids, now);
    if (ids.join() !== this.#liveIds) this.#giveBack(ids);
    this.#liveIds = ids.join();
    await this.nodes.removeExpired(now - deadNodeKeptMs);
    return more;
  }

  async #claimFree(ids: string[], now: number): Promise<boolean> {
    const wanted = this.#wanted;
    this.#wanted = new Map();
    const claimable = await this.store.claimable(now, this.settings.claimBatch);
    for (const subscription of claimable) wanted.set(nameOf(subscription), subscription);
    const free = [...wanted.values()];
    const mine = free.filter((subscription) => this.#shouldClaim(subscription, ids, now));
    this.#freeSince = new Map(
      free.map((subscription) => [nameOf(subscription), this.#freeSince.get(nameOf(subscription)) ?? now]),
    );
    let claimed = 0;
    await eachLimited(this.#parts(mine), this.settings.claimConcurrency, async (part) => {
      claimed += await this.#claim(part);
    });
    return claimable.length >= this.settings.claimBatch && claimed > 0;
  }

  *#parts(mine: Subscription[]): Generator<Subscription[]> {
    const { claimTogetherMax } = this.settings;
    for (let start = 0; start < mine.length; start += claimTogetherMax) {
      yield mine.slice(start, start + claimTogetherMax);
    }
  }

  /** Answers how many were claimed. Those that cannot be claimed together are claimed one by one: one of them may be the reason. */
  async #claim(part: Subscription[]): Promise<number> {
    try {
      return await this.owned.claim(part);
    } catch (error) {
      if (part.length === 1) {
        const { topic, group } = part[0]!;
        this.logger.warn({ err: error, topic, group }, 'could not take over a subscription; it is tried again');
        return 0;
      }
    }
    let claimed = 0;
    for (const subscription of part) claimed += await this.#claim([subscription]);
    return claimed;
  }

  #shouldClaim(subscription: Subscription, ids: string[], now: number): boolean {
    const name = nameOf(subscription);
    if (preferredNode(ids, name) === this.lease.node.id) return true;
    const freeSince = this.#freeSince.get(name);
    return freeSince !== undefined && now - freeSince > leasesBeforeAny * this.settings.leaseMs;
  }

  #giveBack(ids: string[]): void {
    const others: SubscriptionRelay[] = [];
    for (const relay of this.owned.all()) {
      if (preferredNode(ids, nameOf(relay)) !== this.lease.node.id) others.push(relay);
    }
    // Not waited for: a consumer may take its time, and free subscriptions must not wait for that.
    void this.releaseAll(others);
  }

  /** Gives subscriptions back as planned. Where the store is away, the rest is done at a later round. Never rejects. */
  async releaseAll(relays: SubscriptionRelay[]): Promise<void> {
    await eachLimited(relays, this.settings.claimConcurrency, async (relay) => {
      try {
        await this.owned.release(relay);
      } catch (error) {
        const { topic, group } = relay;
        this.logger.warn({ err: error, topic, group }, 'could not give a subscription back');
        void this.owned.lost(relay);
        this.owned.owe(relay);
      }
    });
  }
}
