import type { StoredMessage } from '../message/message.js';
import type { SubscriptionConfig } from '../message/subscription.js';
import type { SigningSecrets } from '../store/catalog-store.js';

/** Names one try of one delivery. Its outcome counts only while exactly this try is the one given out. */
export interface DeliveryId {
  shard: number;
  offset: number;
  /** Counted from 1. */
  attempt: number;
  /** Raised by seek: outcomes of an older generation are ignored. */
  generation: number;
}

/** One message for one subscription, given out. */
export interface Delivery extends DeliveryId {
  message: StoredMessage;
  /** When the claim ends (epoch ms): the delivery then counts as a failed attempt. */
  claimedUntil: number;
}

/** How a try ended. */
export type DeliveryResult =
  | { kind: 'ack' }
  /** Failed: to be tried again by the retry policy, or after `delayMs`. */
  | { kind: 'nack'; error: string; delayMs?: number }
  /** Failed for good: straight to the dead letters. */
  | { kind: 'reject'; error: string }
  /** Given back without having been handled: no attempt is counted, and it is due again at once. */
  | { kind: 'release' };

export interface DeliveryOutcome extends DeliveryId {
  result: DeliveryResult;
}

/**
 * What the relay offers to the consumer of one subscription that this node owns. Retry, order, dead letters and
 * bounds are behind it and the same for every consumer; the consumer only takes and settles.
 */
export interface OwnedSubscription {
  readonly topic: string;
  readonly group: string;
  /** The present configuration; a change arrives while the subscription is owned. */
  readonly config: SubscriptionConfig;
  readonly secrets: SigningSecrets | null;
  readonly paused: boolean;
  readonly generation: number;
  /** Whether it is this node's as far as that is known. Where it is not, nothing may be handed to anybody. */
  readonly holds: boolean;
  /**
   * Gives out up to `max` deliveries (fewer, or none, when paused, over `maxInFlight` or `ratePerSecond`, or when
   * nothing is ready). That they are given is durable before this resolves. Messages whose body is missing become dead
   * letters `body-missing` on the way. Throws when the lease was lost.
   * @param claimMs how long until an unsettled delivery counts as failed
   */
  take(max: number, claimMs: number): Promise<Delivery[]>;
  /** Resolves when the outcomes are durable; `stale` where that try is not the one given out. Throws `Problem('unavailable')` when the store is away (nothing is settled then). */
  settle(outcomes: DeliveryOutcome[]): Promise<('settled' | 'stale')[]>;
  /** Moves the ends of claims to `now + claimMs`; `stale` where that try is not the one given out. */
  extend(deliveries: DeliveryId[], claimMs: number): Promise<('extended' | 'stale')[]>;
  /** Called whenever something may have become ready to take. Answers how to stop listening. */
  onReady(listener: () => void): () => void;
  /** Tries that an earlier owner had given out and that are unsettled, for engines that outlive their owner. */
  inFlight(): Promise<Delivery[]>;
}

/** Consumes one owned subscription: push, forward, a queue engine; pull needs none. */
export interface SubscriptionConsumer {
  start(): Promise<void>;
  /** Takes nothing more and settles what it has in hand, within its own bound. Called before the lease is given back or after it was lost. */
  stop(): Promise<void>;
}

/** Makes the consumer that a subscription's mode asks for; null where callers pull. */
export type ConsumerFactory = (owned: OwnedSubscription) => SubscriptionConsumer | null;
