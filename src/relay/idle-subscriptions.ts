import type { SubscriptionStore } from '../store/subscription-store.js';
import type { OwnedSubscriptions } from './owned-subscriptions.js';
import type { SubscriptionRelay } from './subscription-relay.js';

const removedMax = 100;
/** A subscription in use is marked so many times within the time after which it would be deleted. */
const marksPerIdleTime = 4;

/** Keeps ephemeral subscriptions that are in use, and deletes those that are not. */
export class IdleSubscriptions {
  /** When each was marked as used last. */
  readonly #markedAt = new WeakMap<SubscriptionRelay, number>();
  /** Used after that and owned here no longer. */
  readonly #gone: { topic: string; group: string }[] = [];

  constructor(
    private readonly store: Pick<SubscriptionStore, 'touch' | 'removeIdle'>,
    private readonly owned: Pick<OwnedSubscriptions, 'all' | 'expired'>,
  ) {}

  /** A subscription is owned here no longer: that it was used since its last mark is known to nobody else. */
  gone(relay: SubscriptionRelay, now: number): void {
    if (relay.config.expiresAfterIdleMs === undefined) return;
    if (relay.usedSince(this.#lastMark(relay, now))) this.#gone.push({ topic: relay.topic, group: relay.group });
  }

  /** True when more idle ones may be waiting to be deleted. */
  async runOnce(now: number): Promise<boolean> {
    await this.markGone(now);
    const used: { topic: string; group: string }[] = [];
    for (const relay of this.owned.all()) {
      const idleMs = relay.config.expiresAfterIdleMs;
      if (idleMs === undefined) continue;
      const markedAt = this.#lastMark(relay, now);
      if (now - markedAt < idleMs / marksPerIdleTime || !relay.usedSince(markedAt)) continue;
      used.push({ topic: relay.topic, group: relay.group });
      this.#markedAt.set(relay, now);
    }
    if (used.length > 0) await this.store.touch(used, now);
    const removed = await this.store.removeIdle(now, removedMax);
    for (const { topic, group } of removed) void this.owned.expired(topic, group);
    return removed.length >= removedMax;
  }

  /** Marks those that are owned here no longer; where the store is away, the next call does. */
  async markGone(now: number): Promise<void> {
    const { length } = this.#gone;
    if (length === 0) return;
    await this.store.touch(this.#gone.slice(0, length), now);
    this.#gone.splice(0, length);
  }

  #lastMark(relay: SubscriptionRelay, now: number): number {
    return this.#markedAt.get(relay) ?? now - (relay.config.expiresAfterIdleMs ?? 0);
  }
}
