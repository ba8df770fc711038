import type { StartPosition } from '../../message/subscription.js';
import type { SqlDatabase, SqlRow, SqlSession } from './database.js';

/** Offsets by shard. */
export type ShardOffsets = Map<number, number>;

/**
 * Per shard an offset below which every chunk is older than `at`, close to the first that is not. Found by halving,
 * since chunk times never decrease, one round trip a step for all shards, and before any lock is taken: what it says
 * stays true while the log grows.
 */
export async function searchTime(database: SqlDatabase, topic: string, at: number): Promise<ShardOffsets> {
  const [shards] = await database.read({
    sql: 'SELECT shard, first_offset, next_offset FROM halfbox_shard WHERE topic = ?',
    params: [topic],
  });
  const searches = (shards?.rows ?? []).map((row) => ({
    shard: Number(row['shard']),
    from: Number(row['first_offset']),
    to: Number(row['next_offset']),
  }));
  for (;;) {
    const open = searches.filter(({ from, to }) => from < to);
    if (open.length === 0) return new Map(searches.map(({ shard, from }) => [shard, from]));
    const found = await database.read(
      ...open.map(({ shard, from, to }) => ({
        sql: `SELECT first_offset, message_count, appended_at FROM halfbox_shard_log
          WHERE topic = ? AND shard = ? AND first_offset <= ? ORDER BY first_offset DESC LIMIT 1`,
        params: [topic, shard, Math.floor((from + to) / 2)],
      })),
    );
    open.forEach((search, index) => narrow(search, found[index]?.rows[0], at));
  }
}

function narrow(search: { from: number; to: number }, chunk: SqlRow | undefined, at: number): void {
  const middle = Math.floor((search.from + search.to) / 2);
  const firstOffset = Number(chunk?.['first_offset'] ?? -1);
  if (!chunk || firstOffset < search.from) {
    // Purged in the meantime, so it was old.
    search.from = middle + 1;
  } else if (Number(chunk['appended_at']) < at) {
    search.from = firstOffset + Number(chunk['message_count']);
  } else {
    search.to = firstOffset;
  }
}

/**
 * Locks the topic's shard rows until the end of the database transaction and answers where a reader starts: at the next
 * offset, at the first kept one, or at the first chunk whose time is not before `at`. Empty when there is no such topic.
 * @param searched what {@link searchTime} answered, when the position is a time
 */
export async function lockStartOffsets(
  database: SqlDatabase,
  session: SqlSession,
  topic: string,
  position: StartPosition,
  searched: ShardOffsets | undefined,
): Promise<ShardOffsets> {
  const { byPrimaryKey, forUpdate } = database.dialect;
  const [locked] = await session.run({
    sql: `SELECT shard, first_offset, next_offset FROM halfbox_shard${byPrimaryKey} WHERE topic = ? ORDER BY shard${forUpdate}`,
    params: [topic],
  });
  const shards = locked?.rows ?? [];
  if (position === 'latest') return offsetsOf(shards, (row) => Number(row['next_offset']));
  if (position === 'earliest' || shards.length === 0) return offsetsOf(shards, (row) => Number(row['first_offset']));
  const found = await session.run(
    ...shards.map((row) => ({
      sql: `SELECT first_offset FROM halfbox_shard_log
        WHERE topic = ? AND shard = ? AND first_offset >= ? AND appended_at >= ? ORDER BY first_offset LIMIT 1`,
      params: [topic, Number(row['shard']), searched?.get(Number(row['shard'])) ?? 0, position.at],
    })),
  );
  return offsetsOf(shards, (row, index) => {
    const first = found[index]?.rows[0]?.['first_offset'] as unknown;
    if (first === undefined) return Number(row['next_offset']);
    return Math.max(Number(first), Number(row['first_offset']));
  });
}

function offsetsOf(rows: SqlRow[], offset: (row: SqlRow, index: number) => number): ShardOffsets {
  return new Map(rows.map((row, index) => [Number(row['shard']), offset(row, index)]));
}
