import type { SubscriptionConfig } from '../../message/subscription.js';
import type { SigningSecrets } from '../catalog-store.js';
import type { Subscription } from '../subscription-store.js';
import { textOf, type SqlRow } from './database.js';

/** The columns that {@link subscriptionOf} and {@link secretsOf} read. */
export const subscriptionColumns =
  'topic, consumer_group, config, secrets, paused, paused_reason, generation, epoch, owner, created_at';

export function subscriptionOf(row: SqlRow): Subscription {
  const subscription: Subscription = {
    topic: textOf(row['topic']),
    group: textOf(row['consumer_group']),
    config: JSON.parse(textOf(row['config'])) as SubscriptionConfig,
    paused: Number(row['paused']) === 1,
    generation: Number(row['generation']),
    epoch: Number(row['epoch']),
    owner: row['owner'] === null ? null : textOf(row['owner']),
    createdAt: Number(row['created_at']),
  };
  if (row['paused_reason'] !== null) subscription.pausedReason = textOf(row['paused_reason']);
  return subscription;
}

export function secretsOf(row: SqlRow): SigningSecrets | null {
  return row['secrets'] === null ? null : (JSON.parse(textOf(row['secrets'])) as SigningSecrets);
}
