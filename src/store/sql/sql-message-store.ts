import type { CatalogStore } from '../catalog-store.js';
import type { CheckStore } from '../check-store.js';
import type { DeadLetterStore } from '../dead-letter-store.js';
import type { HalfStore } from '../half-store.js';
import type { LaneStore } from '../lane-store.js';
import type { LookupStore } from '../lookup-store.js';
import type { DurabilityReport, MessageStore } from '../message-store.js';
import type { NodeStore } from '../node-store.js';
import type { RetentionStore } from '../retention-store.js';
import type { ScheduleStore } from '../schedule-store.js';
import type { StreamStore } from '../stream-store.js';
import type { SubscriptionStore } from '../subscription-store.js';
import { SqlCatalogStore } from './catalog.js';
import type { SqlDatabase } from './database.js';
import { SqlDeadLetterStore } from './dead-letters.js';
import { SqlHalfStore } from './half.js';
import { SqlLaneStore } from './lanes.js';
import { SqlNodeStore } from './nodes.js';
import { SqlCheckStore } from './checks.js';
import { SqlScheduleStore } from './schedule.js';
import { SqlLookupStore } from './lookup.js';
import { SqlRetentionStore } from './retention.js';
import { SqlStreamStore } from './streams.js';
import { SqlSubscriptionStore } from './subscriptions.js';

/** The store on any SQL database: its facets share one {@link SqlDatabase}. */
export class SqlMessageStore implements MessageStore {
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
  readonly description: string;
  readonly batchBytesMax: number;

  constructor(private readonly database: SqlDatabase) {
    this.description = database.description;
    this.batchBytesMax = database.statementBytesMax;
    this.catalog = new SqlCatalogStore(database);
    this.nodes = new SqlNodeStore(database);
    this.half = new SqlHalfStore(database);
    this.checks = new SqlCheckStore(database);
    this.streams = new SqlStreamStore(database);
    this.schedule = new SqlScheduleStore(database);
    this.lookup = new SqlLookupStore(database);
    this.lanes = new SqlLaneStore(database);
    this.deadLetters = new SqlDeadLetterStore(database);
    this.retention = new SqlRetentionStore(database);
    this.subscriptions = new SqlSubscriptionStore(database);
  }

  now(): Promise<number> {
    return this.database.now();
  }

  durability(): Promise<DurabilityReport> {
    return this.database.durability();
  }

  close(): Promise<void> {
    return this.database.close();
  }
}
