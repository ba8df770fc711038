import type { TargetGuard } from '../callback/target-guard.js';
import type { ApiKeys } from '../config/api-keys.js';
import type { ProducerCatalog } from '../half/producer-catalog.js';
import type { Sender } from '../half/sender.js';
import type { TopicCatalog } from '../half/topic-catalog.js';
import type { Transactions } from '../half/transactions.js';
import type { Clock } from '../message/clock.js';
import type { StoredMessage } from '../message/message.js';
import type { Outcome } from '../message/problem.js';
import type { Logger } from '../runtime/logger.js';
import type { Durability, MessageStore } from '../store/message-store.js';

/** One delivery in the hands of a pulling consumer. */
export interface PulledDelivery {
  /** Names subscription, shard, offset, attempt and generation; good until that attempt is over. */
  receipt: string;
  attempt: number;
  shard: number;
  offset: number;
  message: StoredMessage;
}

/** Pulling from subscriptions that this node owns. Every method throws `Problem('not-owner')` for another one. */
export interface PullConsumption {
  receive(
    topic: string,
    group: string,
    options: { max: number; visibilityMs: number; waitMs: number; signal: AbortSignal },
  ): Promise<PulledDelivery[]>;
  ack(topic: string, group: string, receipts: string[]): Promise<Outcome<true>[]>;
  nack(
    topic: string,
    group: string,
    receipts: string[],
    options: { delayMs?: number; error?: string },
  ): Promise<Outcome<true>[]>;
  extend(topic: string, group: string, receipts: string[], visibilityMs: number): Promise<Outcome<true>[]>;
}

/** What the edge asks of the relay beside pulling. */
export interface SubscriptionWork {
  owns(topic: string, group: string): boolean;
  /** The subscription's row, retries or dead letters were changed: resolves when this node, where it owns it, goes by that. */
  subscriptionChanged(topic: string, group: string): Promise<void>;
}

/** Asks producers. */
export interface CheckNow {
  /** Asks the producer of an open transaction now and resolves when the answer, or its absence, is stored. */
  checkNow(transactionId: string): Promise<void>;
  /** Whether the last asks of the producer met somebody. */
  reachable(producer: string): boolean;
}

/** State of the engine, the store and its durability, for readiness. */
export interface Health {
  store: { ok: boolean; description: string; error?: string };
  engine: { ok: boolean; name: string; error?: string };
  durability: { ok: boolean; asked: Durability; actual?: Durability; weakenedBy: string[] };
}

/** This process among the nodes of its store. */
export interface NodeIdentity {
  id: string;
  storeId: string;
  /** By which the nodes of a store know each other. */
  secret: string;
}

/** What the HTTP edge works on. A part that is absent answers `not-implemented`. */
export interface Services {
  store: MessageStore;
  clock: Clock;
  logger: Logger;
  node: NodeIdentity;
  apiKeys: ApiKeys;
  topics: TopicCatalog;
  producers: ProducerCatalog;
  transactions: Transactions;
  sender: Sender;
  targets: TargetGuard;
  /** What an acknowledged write survives, as last read from the store. */
  durability(): Durability;
  health(): Promise<Health>;
  /** Bound of the wait for another node to take a subscription over. */
  takeOverWaitMs: number;
  checks?: CheckNow;
  pull?: PullConsumption;
  work?: SubscriptionWork;
  metrics?: { contentType: string; text(): Promise<string> };
}

/** Injects {@link Services}. */
export const SERVICES = Symbol('halfbox services');
