import type { Clock } from '../message/clock.js';
import { Problem } from '../message/problem.js';
import type { Events } from '../runtime/events.js';
import type { NodeRow, NodeStore } from '../store/node-store.js';
import type { Subscription, SubscriptionStore } from '../store/subscription-store.js';
import type { RelayEvents } from './relay-events.js';
import type { SubscriptionRelay } from './subscription-relay.js';

/** Who has a subscription: this node's relay, or another live node. */
export type Located = { relay: SubscriptionRelay; node?: undefined } | { node: NodeRow; relay?: undefined };

/** While nobody has a subscription, its row is read again after this long. */
const lookAgainMs = 50;

export interface LocatorHost {
  readonly nodeId: string;
  owned(topic: string, group: string): SubscriptionRelay | null;
  liveNodes(): readonly NodeRow[];
  /** A caller waits for a subscription that is free: this node should look whether it is to take it. */
  foundFree(subscription: Subscription): void;
}

/** Finds the node that a call for a subscription belongs to. */
export class Locator {
  constructor(
    private readonly store: { subscriptions: Pick<SubscriptionStore, 'get'>; nodes: Pick<NodeStore, 'live'> },
    private readonly events: Events<RelayEvents>,
    private readonly clock: Clock,
    private readonly host: LocatorHost,
  ) {}

  /** The live node that owns it; null while nobody does. `subscription-not-found`. */
  async ownerOf(topic: string, group: string): Promise<NodeRow | null> {
    return (await this.#look(topic, group)).owner;
  }

  async #look(topic: string, group: string): Promise<{ subscription: Subscription; owner: NodeRow | null }> {
    const found = await this.store.subscriptions.get(topic, group);
    if (found === null) throw new Problem('subscription-not-found', `there is no subscription ${topic}/${group}`);
    const { subscription } = found;
    if (subscription.owner === null) return { subscription, owner: null };
    const isOwner = ({ id }: NodeRow): boolean => id === subscription.owner;
    const known = this.host.liveNodes().find(isOwner);
    const owner = known ?? (await this.store.nodes.live(this.clock.now())).find(isOwner) ?? null;
    return { subscription, owner };
  }

  /** Waits while nobody has it. `subscription-not-found`; `unavailable` after `waitMs`. */
  async locate(topic: string, group: string, waitMs: number): Promise<Located> {
    const deadline = performance.now() + waitMs;
    for (;;) {
      const relay = this.host.owned(topic, group);
      if (relay !== null) return { relay };
      const { subscription, owner: node } = await this.#look(topic, group);
      if (node !== null && node.id !== this.host.nodeId) return { node };
      if (this.host.owned(topic, group) !== null) continue;
      if (performance.now() >= deadline) {
        throw new Problem('unavailable', `no node owns ${topic}/${group} yet`, { retryAfterMs: 1_000 });
      }
      if (node === null) this.host.foundFree(subscription);
      await this.#claimedOrLater(topic, group);
    }
  }

  #claimedOrLater(topic: string, group: string): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        unlisten();
        clearTimeout(timer);
        resolve();
      };
      const unlisten = this.events.on('claimed', (claimed) => {
        if (claimed.topic === topic && claimed.group === group) done();
      });
      const timer = setTimeout(done, lookAgainMs);
    });
  }
}
