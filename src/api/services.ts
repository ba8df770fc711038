import type { TargetGuard } from '../callback/target-guard.js';
import type { ProducerStreams } from '../check/stream/producer-streams.js';
import type { ApiKeys } from '../config/api-keys.js';
import type { Pull } from '../deliver/pull.js';
import type { ProducerCatalog } from '../half/producer-catalog.js';
import type { Sender } from '../half/sender.js';
import type { TopicCatalog } from '../half/topic-catalog.js';
import type { Transactions } from '../half/transactions.js';
import type { Clock } from '../message/clock.js';
import type { Relay } from '../relay/relay.js';
import type { Logger } from '../runtime/logger.js';
import type { Producer } from '../store/catalog-store.js';
import type { Durability, MessageStore } from '../store/message-store.js';
import type { Admission } from './admission.js';
import type { TransportNames } from './transport-names.js';

/** Asks producers. */
export interface CheckNow {
  /** Asks the producer of an open transaction now and resolves when the answer, or its absence, is stored. */
  checkNow(transactionId: string): Promise<void>;
  /** Names of those of the producers that can be asked: there is a way, and the last ask met somebody. */
  reachable(producers: readonly Producer[]): Promise<Set<string>>;
  /** The producer was changed or deleted: its next ask uses the new row. */
  forget(producer: string): void;
}

/** The streams over which producers are asked. */
export type Streams = Pick<
  ProducerStreams,
  'settings' | 'requireRoom' | 'accept' | 'askHere' | 'askOthersBy' | 'closeAll'
>;

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

/** What the HTTP edge works on. */
export interface Services {
  store: MessageStore;
  clock: Clock;
  logger: Logger;
  node: NodeIdentity;
  apiKeys: ApiKeys;
  /** Of requests with new work. */
  admission: Admission;
  topics: TopicCatalog;
  producers: ProducerCatalog;
  transactions: Transactions;
  sender: Sender;
  targets: TargetGuard;
  /** The microservice transports that the operator has named. */
  transports: TransportNames;
  /** What an acknowledged write survives, as last read from the store. */
  durability(): Durability;
  health(): Promise<Health>;
  /** How long a call waits while no node has the subscription: it was just created, or its owner has gone. */
  takeOverWaitMs: number;
  relay: Pick<Relay, 'owned' | 'locate' | 'ownerOf' | 'subscriptionChanged' | 'liveNodes'>;
  pull: Pull;
  checks: CheckNow;
  streams: Streams;
  /** Removes the engine's queue of a subscription that was deleted. */
  removeQueue(topic: string, group: string): Promise<void>;
  metrics: {
    contentType: string;
    text(): Promise<string>;
    /** So many requests with new work were refused elsewhere for this broker. */
    refused(count: number): void;
  };
}

/** Injects {@link Services}. */
export const SERVICES = Symbol('halfbox services');
