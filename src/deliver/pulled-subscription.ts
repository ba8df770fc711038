import type { Delivery, OwnedSubscription } from '../relay/owned-subscription.js';

export interface SubscriptionName {
  topic: string;
  group: string;
}

/** What pull needs of an owned subscription. */
export interface PulledSubscription extends OwnedSubscription {
  /** Nothing can be taken or settled here any more: it was handed over, or is another node's. */
  readonly ended: boolean;
  /** It is in use until then (epoch ms). */
  markUsed(until: number): void;
}

export interface ReceiveRequest {
  /** 1..256 */
  max: number;
  visibilityMs: number;
  /** How long to wait for a first delivery; 0: not at all. */
  waitMs: number;
}

/** A delivery as a pulling consumer gets it. */
export interface ReceivedDelivery {
  receipt: string;
  delivery: Delivery;
}
