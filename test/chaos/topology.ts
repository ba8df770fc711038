import type { SubscriptionSettings } from '../../src/client/index.js';
import type { SubscriptionName } from './facts.js';

/** What the workload's brokers are set up with. */

export type EngineName = 'memory' | 'bull';

/** Attempts of every subscription; more than one message is in flight at kills in a row. */
export const maxAttempts = 8;
/** `fails` of a message that no consumer ever handles. */
export const alwaysFails = 99;

const common = { startFrom: 'earliest', maxAttempts, retry: { fixedMs: 40 } } as const;

export const topics = {
  orders: { shards: 2 },
  copies: { shards: 1 },
  /** Its messages are deleted a second after they were settled. */
  brief: { shards: 1, retentionMs: 1_000 },
} as const;

export const producers = {
  /** Its check-backs are answered from the fence, over a stream. */
  shop: { firstCheckAfterMs: 150, checkIntervalMs: 200, checkMax: 100 },
  /** Is asked over HTTP. */
  raw: { firstCheckAfterMs: 150, checkIntervalMs: 200, checkMax: 2 },
  /** Can never be asked. */
  mute: { firstCheckAfterMs: 100, checkIntervalMs: 100 },
} as const;

/** Where push targets, check-backs and the other system are. */
export interface Addresses {
  pushUrl: string;
  checkUrl: string;
}

export function subscriptionsOf(
  engine: EngineName,
  { pushUrl }: Addresses,
): Map<SubscriptionName, SubscriptionSettings> {
  const all = new Map<SubscriptionName, SubscriptionSettings>([
    ['orders/pull', { ...common, mode: 'pull' }],
    ['orders/inbox', { ...common, mode: 'pull' }],
    ['orders/picky', { ...common, mode: 'pull', filter: 'rare' }],
    ['orders/push', { ...common, mode: 'push', push: { url: pushUrl, timeoutMs: 2_000 } }],
    ['orders/forward', { ...common, mode: 'forward', forward: { topic: 'copies' } }],
    ['orders/tcp', { ...common, mode: 'forward', forward: { transport: 'other', pattern: 'order' } }],
    ['copies/pull', { ...common, mode: 'pull' }],
    ['brief/pull', { ...common, mode: 'pull' }],
  ]);
  if (engine === 'bull') all.set('orders/bull', { ...common, mode: 'queue' });
  return all;
}

/** The tags that a subscription takes; all where there are none. */
export function tagsOf(settings: SubscriptionSettings): Set<string> | undefined {
  return settings.filter === undefined || settings.filter === '*' ? undefined : new Set(settings.filter.split('||'));
}
