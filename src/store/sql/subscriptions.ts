import type { StartPosition, SubscriptionConfig } from '../../message/subscription.js';
import type { Page, SigningSecrets } from '../catalog-store.js';
import type {
  ChangedSubscription,
  Subscription,
  SubscriptionCounts,
  SubscriptionStore,
} from '../subscription-store.js';
import { countSubscription } from './count-subscription.js';
import type { SqlDatabase } from './database.js';
import { pauseSubscription } from './pause-subscription.js';
import { putSubscription } from './put-subscription.js';
import { listChangedSince, listSubscriptions, readSubscription } from './read-subscriptions.js';
import { removeIdle } from './remove-idle.js';
import { removeSubscription } from './remove-subscription.js';
import { rotateSubscriptionSecret } from './rotate-subscription-secret.js';
import { seek } from './seek.js';
import { touchSubscriptions } from './touch-subscriptions.js';

/** Subscriptions on any SQL database. */
export class SqlSubscriptionStore implements SubscriptionStore {
  constructor(private readonly database: SqlDatabase) {}

  put(
    topic: string,
    group: string,
    config: SubscriptionConfig,
    startFrom: StartPosition,
    newSecret: string | undefined,
    now: number,
  ): Promise<{ subscription: Subscription; created: boolean; secrets: SigningSecrets | null }> {
    return putSubscription(this.database, { topic, group, config, startFrom, newSecret, now });
  }

  get(topic: string, group: string): Promise<{ subscription: Subscription; secrets: SigningSecrets | null } | null> {
    return readSubscription(this.database, topic, group);
  }

  list(after: string | undefined, limit: number, topic?: string): Promise<Page<Subscription>> {
    return listSubscriptions(this.database, after, limit, topic);
  }

  counts(topic: string, group: string): Promise<SubscriptionCounts> {
    return countSubscription(this.database, topic, group);
  }

  remove(topic: string, group: string, force: boolean): Promise<boolean> {
    return removeSubscription(this.database, topic, group, force ? 'forced' : 'empty');
  }

  setPaused(topic: string, group: string, paused: boolean, reason?: string): Promise<boolean> {
    return pauseSubscription(this.database, topic, group, paused, reason);
  }

  seek(topic: string, group: string, to: StartPosition): Promise<boolean> {
    return seek(this.database, topic, group, to);
  }

  rotateSecret(topic: string, group: string, newSecret: string, previousUntil: number): Promise<SigningSecrets | null> {
    return rotateSubscriptionSecret(this.database, topic, group, newSecret, previousUntil);
  }

  touch(subscriptions: { topic: string; group: string }[], now: number): Promise<void> {
    return touchSubscriptions(this.database, subscriptions, now);
  }

  removeIdle(now: number, limit: number): Promise<{ topic: string; group: string }[]> {
    return removeIdle(this.database, now, limit);
  }

  changedSince(since: number, limit: number): Promise<ChangedSubscription[]> {
    return listChangedSince(this.database, since, limit);
  }
}
