import type { CatalogStore } from './catalog-store.js';
import type { CheckStore } from './check-store.js';
import type { DeadLetterStore } from './dead-letter-store.js';
import type { HalfStore } from './half-store.js';
import type { LaneStore } from './lane-store.js';
import type { LookupStore } from './lookup-store.js';
import type { NodeStore } from './node-store.js';
import type { RetentionStore } from './retention-store.js';
import type { ScheduleStore } from './schedule-store.js';
import type { StreamStore } from './stream-store.js';
import type { SubscriptionStore } from './subscription-store.js';

/** What an acknowledged write survives: a power loss, also the loss of a server, or neither for certain. */
export type Durability = 'flushed' | 'replicated' | 'relaxed';

/** What the store really does, as read from it. */
export interface DurabilityReport {
  /** The strongest level that the server's settings give. */
  actual: Durability;
  /** Settings that keep it from being stronger: `innodb_flush_log_at_trx_commit=2`. */
  weakenedBy: string[];
}

/**
 * The one truth: every message, state, cursor, retry and dead letter. All adapters pass the same conformance suite.
 * Every method throws `Problem('unavailable')` when the store cannot be reached, with nothing half-done.
 */
export interface MessageStore {
  readonly half: HalfStore;
  readonly checks: CheckStore;
  readonly streams: StreamStore;
  readonly catalog: CatalogStore;
  readonly lookup: LookupStore;
  readonly schedule: ScheduleStore;
  readonly subscriptions: SubscriptionStore;
  readonly lanes: LaneStore;
  readonly deadLetters: DeadLetterStore;
  readonly nodes: NodeStore;
  readonly retention: RetentionStore;
  /** For people: `MariaDB 10.11.19 at 127.0.0.1:3306/halfbox`; without credentials. */
  readonly description: string;
  /** Bound of one message batch in bytes; the largest body must be smaller. */
  readonly batchBytesMax: number;
  /** The store's clock, epoch ms: the time that counts for due, lease and retention. */
  now(): Promise<number>;
  durability(): Promise<DurabilityReport>;
  close(): Promise<void>;
}
