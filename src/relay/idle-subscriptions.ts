import type { SubscriptionStore } from '../store/subscription-store.js';
import type { OwnedSubscriptions } from './owned-subscriptions.js';

const removedMax = 100;
/** A subscription in use is marked so many times within the time after which it would be deleted. */
const marksPerIdleTime = 4;

/** Keeps ephemeral subscriptions that are in use, and deletes those that are not. */
export class IdleSubscriptions {
  /** When each was marked as used last. */
  readonly #markedAt = new WeakMap<object, number>();

  constructor(
    private readonly store: Pick<SubscriptionStore, 'touch' | 'removeIdle'>,
    private readonly owned: OwnedSubscriptions,
  ) {}

  /** True when more idle ones may be waiting to be deleted. */
  async runOnce(now: number): Promise<boolean> {
    const used: { topic: string; group: string }[] = [];
    for (const relay of this.owned.all()) {
      const idleMs = relay.config.expiresAfterIdleMs;
      if (idleMs === undefined) continue;
      const markedAt = this.#markedAt.get(relay) ?? now - idleMs;
      if (now - markedAt < idleMs / marksPerIdleTime || !relay.usedSince(markedAt)) continue;
      used.push({ topic: relay.topic, group: relay.group });
      this.#markedAt.set(relay, now);
    }
    if (used.length > 0) await this.store.touch(used, now);
    const removed = await this.store.removeIdle(now, removedMax);
    for (const { topic, group } of removed) void this.owned.expired(topic, group);
    return removed.length >= removedMax;
  }
}
