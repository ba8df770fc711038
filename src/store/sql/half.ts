import type { Clock } from '../../message/clock.js';
import type { Outcome } from '../../message/problem.js';
import type { AppendItem, HalfStore, PreparedTransaction, PrepareItem } from '../half-store.js';
import { appendItems, type Appended } from './append.js';
import type { SqlDatabase } from './database.js';
import { prepareItems } from './prepare.js';
import { PreparedHere } from './prepared-here.js';
import { TopicShards } from './topic-shards.js';

export class SqlHalfStore implements HalfStore {
  private readonly topics = new TopicShards();
  private readonly preparedHere = new PreparedHere();
  /** Begins anywhere, so that several nodes do not go round the shards in step. */
  private turn = Math.floor(Math.random() * 256);

  constructor(private readonly database: SqlDatabase) {}

  async prepare(items: PrepareItem[], now: number): Promise<Outcome<PreparedTransaction>[]> {
    const outcomes = await prepareItems(this.database, items, now);
    outcomes.forEach(({ value }, index) => {
      if (value?.state === 'prepared') this.preparedHere.remember(items[index]!);
    });
    return outcomes;
  }

  async append(items: AppendItem[], clock: Clock, deleteAfterMs: number): Promise<Appended> {
    const { database, topics, preparedHere } = this;
    const appended = await appendItems(
      { database, topics, preparedHere, turn: this.turn++, clock, now: clock.now(), deleteAfterMs },
      items,
    );
    for (const item of items) if (item.kind !== 'send') preparedHere.forget(item.transactionId);
    return appended;
  }
}
