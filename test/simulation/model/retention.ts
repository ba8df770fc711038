import type { RetentionStore } from '../../../src/store/retention-store.js';
import { byText, type ShardRow, type Tables, type TransactionRow } from './tables.js';

const recheckAfterMs = 3_600_000;

/** Retention over maps, with the bounds of the port: a call deletes about `limit`. */
export class ModelRetentionStore implements RetentionStore {
  constructor(private readonly tables: Tables) {}

  async purgeResolved(now: number, limit: number): Promise<number> {
    return this.#purgeTransactions(['rolled_back', 'committed'], now, limit);
  }

  async purgeParked(before: number, limit: number): Promise<number> {
    return this.#purgeTransactions(['parked'], before - 1, limit);
  }

  async purgeDeadLetters(before: number, limit: number): Promise<number> {
    const old = [...this.tables.deadLetters.values()]
      .filter(({ diedAt }) => diedAt < before)
      .sort((a, b) => a.diedAt - b.diedAt)
      .slice(0, limit);
    for (const { id, topic, group } of old) {
      this.tables.deadLetters.delete(id);
      this.tables.subscription(topic, group)!.changedAt = this.tables.clock.now();
    }
    return old.length;
  }

  async purgeLog(topic: string, shard: number, now: number, limit: number): Promise<number> {
    const row = this.tables.shard(topic, shard);
    const retentionMs = this.tables.topics.get(topic)?.retentionMs;
    if (row === undefined || retentionMs === undefined) return 0;
    const first = row.firstOffset;
    const settled = this.tables.ofTopic(topic).map(({ lanes }) => lanes.get(shard)?.settledOffset ?? 0);
    const settledBelow = Math.min(Infinity, ...settled);
    for (const { firstOffset, refs, appendedAt } of row.chunks) {
      if (firstOffset < first) continue;
      const end = firstOffset + refs.length;
      if (firstOffset >= first + limit || appendedAt > now - retentionMs || end > settledBelow) break;
      row.firstOffset = end;
    }
    this.#sweep(row, now);
    return row.firstOffset - first;
  }

  async purgeKept(now: number, limit: number): Promise<number> {
    const due = [...this.tables.kept]
      .filter(([, { recheckAt }]) => recheckAt <= now)
      .sort(([, a], [, b]) => a.recheckAt - b.recheckAt)
      .slice(0, limit);
    for (const [id, kept] of due) {
      if (this.tables.isNamed(id)) {
        kept.recheckAt = now + recheckAfterMs;
        continue;
      }
      this.tables.kept.delete(id);
      if (this.tables.messages.get(id)?.stored.storedAt === kept.storedAt) this.tables.messages.delete(id);
    }
    return due.length;
  }

  async purgeableShards(
    now: number,
    after: { topic: string; shard: number } | undefined,
    limit: number,
  ): Promise<{ topic: string; shard: number }[]> {
    const from = after ?? { topic: '', shard: -1 };
    return [...this.tables.shards.values()]
      .flat()
      .filter(({ topic, shard }) => topic > from.topic || (topic === from.topic && shard > from.shard))
      .filter(({ topic, chunks }) => {
        const { retentionMs } = this.tables.topics.get(topic)!;
        return chunks[0] !== undefined && chunks[0].appendedAt <= now - retentionMs;
      })
      .sort((a, b) => byText(a.topic, b.topic) || a.shard - b.shard)
      .slice(0, limit)
      .map(({ topic, shard }) => ({ topic, shard }));
  }

  #sweep(row: ShardRow, now: number): void {
    while (row.chunks[0] !== undefined && row.chunks[0].firstOffset < row.firstOffset) {
      for (const { id } of row.chunks.shift()!.refs) {
        const message = this.tables.messages.get(id);
        if (message === undefined) continue;
        if (!this.tables.isNamed(id)) this.tables.messages.delete(id);
        else this.tables.kept.set(id, { storedAt: message.stored.storedAt, recheckAt: now + recheckAfterMs });
      }
    }
  }

  #purgeTransactions(states: TransactionRow['state'][], dueAt: number, limit: number): number {
    const old = states.flatMap((state) =>
      [...this.tables.transactions.values()]
        .filter((row) => row.state === state && row.dueAt <= dueAt)
        .sort((a, b) => a.dueAt - b.dueAt)
        .slice(0, limit),
    );
    let count = 0;
    let messages = 0;
    for (const { id, state, refs } of old) {
      if (count >= limit || messages >= limit) break;
      count += 1;
      this.tables.transactions.delete(id);
      if (state === 'committed') continue;
      messages += refs.length;
      for (const ref of refs) this.tables.messages.delete(ref.id);
    }
    return count;
  }
}
