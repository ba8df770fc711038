import type { StartPosition, SubscriptionConfig } from '../message/subscription.js';
import type { Page, SigningSecrets } from './catalog-store.js';

export interface Subscription {
  topic: string;
  group: string;
  config: SubscriptionConfig;
  paused: boolean;
  /** Why the broker paused it by itself (a push target that answered 410). */
  pausedReason?: string;
  /** Raised by seek: outcomes of an older generation are ignored. */
  generation: number;
  /** Raised whenever the owner changes: fences everything that the owner writes. */
  epoch: number;
  /** Node that owns it; null: nobody. */
  owner: string | null;
  createdAt: number;
}

/** A subscription whose row was changed, and when (epoch ms). */
export interface ChangedSubscription extends Subscription {
  changedAt: number;
}

export interface SubscriptionCounts {
  /** Messages of the log that are not settled, retries included. */
  backlog: number;
  /** With consumers: given out and not settled. */
  inFlight: number;
  retrying: number;
  dead: number;
  /** Appended time of the oldest unsettled message. */
  oldestUnsettledAt?: number;
}

export interface SubscriptionStore {
  /**
   * Creates the subscription with its lanes at `startFrom`, read under the shards' locks (every commit answered after
   * this is delivered), or replaces its configuration (`startFrom` is then ignored). `already-exists` when `mode` differs.
   * `topic-not-found`. A secret is kept only where there is none yet.
   */
  put(
    topic: string,
    group: string,
    config: SubscriptionConfig,
    startFrom: StartPosition,
    newSecret: string | undefined,
    now: number,
  ): Promise<{ subscription: Subscription; created: boolean; secrets: SigningSecrets | null }>;
  get(topic: string, group: string): Promise<{ subscription: Subscription; secrets: SigningSecrets | null } | null>;
  list(after: string | undefined, limit: number, topic?: string): Promise<Page<Subscription>>;
  counts(topic: string, group: string): Promise<SubscriptionCounts>;
  /** `not-empty` unless `force` while anything is unsettled, retrying or dead. False when there is none. */
  remove(topic: string, group: string, force: boolean): Promise<boolean>;
  setPaused(topic: string, group: string, paused: boolean, reason?: string): Promise<boolean>;
  /**
   * Moves every lane to the position, drops its retries, raises generation and epoch and takes the lease away,
   * in one database transaction: the owner starts afresh and older outcomes no longer count. False when there is none.
   */
  seek(topic: string, group: string, to: StartPosition): Promise<boolean>;
  rotateSecret(topic: string, group: string, newSecret: string, previousUntil: number): Promise<SigningSecrets | null>;
  /** Marks ephemeral subscriptions as used. */
  touch(subscriptions: { topic: string; group: string }[], now: number): Promise<void>;
  /** Deletes ephemeral subscriptions idle for longer than their bound; answers which. */
  removeIdle(now: number, limit: number): Promise<{ topic: string; group: string }[]>;
  /**
   * Subscriptions whose row changed since `since` (epoch ms, inclusive), oldest first, for owners that did not hear of it.
   * A change is readable a moment after its time, when it is committed, so ask from a few seconds before the last call.
   */
  changedSince(since: number, limit: number): Promise<ChangedSubscription[]>;
}
