import type { Outcome } from '../../message/problem.js';
import type { AppendItem, HalfStore, PreparedTransaction, PrepareItem } from '../half-store.js';
import { appendItems, type Appended } from './append.js';
import type { SqlDatabase } from './database.js';
import { prepareItems } from './prepare.js';
import { TopicShards } from './topic-shards.js';

export class SqlHalfStore implements HalfStore {
  private readonly topics = new TopicShards();
  /** Begins anywhere, so that several nodes do not go round the shards in step. */
  private turn = Math.floor(Math.random() * 256);

  constructor(private readonly database: SqlDatabase) {}

  prepare(items: PrepareItem[], now: number): Promise<Outcome<PreparedTransaction>[]> {
    return prepareItems(this.database, items, now);
  }

  append(items: AppendItem[], now: number, deleteAfterMs: number): Promise<Appended> {
    const { database, topics } = this;
    return appendItems({ database, topics, turn: this.turn++, now, deleteAfterMs }, items);
  }
}
