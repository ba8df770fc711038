import type { SubscriptionCounts } from '../../../src/store/subscription-store.js';
import { lengthOf } from './subscriptions.js';
import type { Tables } from './tables.js';

/** What one subscription has open; all zero where there is none. */
export function countSubscription(tables: Tables, topic: string, group: string): SubscriptionCounts {
  const counts: SubscriptionCounts = { backlog: 0, inFlight: 0, retrying: 0, dead: tables.deadOf(topic, group).length };
  const row = tables.subscription(topic, group);
  if (row === undefined) return counts;
  let oldest = Infinity;
  const first = new Map<number, { offset: number; messageId?: string }>();
  for (const { shard, settledOffset, settledAbove, given } of row.lanes.values()) {
    const { nextOffset } = tables.shard(topic, shard)!;
    const unsettled = Math.max(0, nextOffset - settledOffset - lengthOf(settledAbove));
    counts.backlog += unsettled;
    counts.inFlight += given.reduce((all, { from, to }) => all + to - from, 0);
    if (unsettled > 0) first.set(shard, { offset: settledOffset });
  }
  for (const { shard, offset, state, ref } of row.retries.values()) {
    counts.backlog += 1;
    if (state === 'given') counts.inFlight += 1;
    if (state !== 'waiting_for_key') counts.retrying += 1;
    if (offset < (first.get(shard)?.offset ?? Infinity)) first.set(shard, { offset, messageId: ref.id });
  }
  for (const [shard, { offset, messageId }] of first) {
    const chunk = tables
      .shard(topic, shard)!
      .chunks.find(({ firstOffset, refs }) => firstOffset <= offset && offset < firstOffset + refs.length);
    const at = chunk?.appendedAt ?? tables.messages.get(messageId ?? '')?.stored.storedAt;
    if (at !== undefined) oldest = Math.min(oldest, at);
  }
  if (oldest !== Infinity) counts.oldestUnsettledAt = oldest;
  return counts;
}
