import type { DurabilityReport, MessageStore } from '../../../src/store/message-store.js';
import { ModelCatalogStore } from './catalog.js';
import { ModelCheckStore } from './checks.js';
import { ModelDeadLetterStore } from './dead-letters.js';
import { ModelHalfStore } from './half.js';
import { ModelLaneStore } from './lanes.js';
import { ModelLookupStore } from './lookup.js';
import { ModelNodeStore, ModelStreamStore } from './nodes.js';
import { ModelRetentionStore } from './retention.js';
import { ModelScheduleStore } from './schedule.js';
import { ModelSubscriptionStore } from './subscriptions.js';
import type { Tables } from './tables.js';

/**
 * The port `MessageStore` over maps: what a store must do, without how. Every call happens at one instant. It passes the
 * conformance suite of the SQL stores.
 */
export class ModelStore implements MessageStore {
  readonly half: ModelHalfStore;
  readonly checks: ModelCheckStore;
  readonly streams: ModelStreamStore;
  readonly catalog: ModelCatalogStore;
  readonly lookup: ModelLookupStore;
  readonly schedule: ModelScheduleStore;
  readonly subscriptions: ModelSubscriptionStore;
  readonly lanes: ModelLaneStore;
  readonly deadLetters: ModelDeadLetterStore;
  readonly nodes: ModelNodeStore;
  readonly retention: ModelRetentionStore;
  readonly description = 'a model in memory';
  readonly batchBytesMax = 16 * 1024 * 1024;

  /** @param turn where this node begins to go round the shards */
  constructor(
    private readonly tables: Tables,
    turn = 0,
  ) {
    this.half = new ModelHalfStore(tables, turn);
    this.checks = new ModelCheckStore(tables);
    this.streams = new ModelStreamStore(tables);
    this.catalog = new ModelCatalogStore(tables);
    this.lookup = new ModelLookupStore(tables);
    this.schedule = new ModelScheduleStore(tables, turn);
    this.subscriptions = new ModelSubscriptionStore(tables);
    this.lanes = new ModelLaneStore(tables);
    this.deadLetters = new ModelDeadLetterStore(tables);
    this.nodes = new ModelNodeStore(tables);
    this.retention = new ModelRetentionStore(tables);
  }

  async now(): Promise<number> {
    return this.tables.clock.now();
  }

  async durability(): Promise<DurabilityReport> {
    return { actual: 'flushed', weakenedBy: [] };
  }

  async close(): Promise<void> {}
}
