import { reached } from '../../message/step.js';
import type { SqlDatabase, SqlResult, Statement } from './database.js';
import { sweepChunks } from './sweep-chunks.js';

/**
 * Removes whole chunks from the start of one shard; answers how many messages left the log.
 *
 * Two steps, so that commits never wait for bodies to be deleted: under the shard row's lock only the first offset is
 * raised, after which no reader starts below it; then the chunks below it go with their messages, without that lock.
 * What a crash leaves between the two is swept by the next call.
 * @param limit messages of one step, about: a chunk is not split
 */
export async function purgeLog(
  database: SqlDatabase,
  topic: string,
  shard: number,
  now: number,
  limit: number,
): Promise<number> {
  const [topics] = await database.read({
    sql: 'SELECT retention_ms FROM halfbox_topic WHERE name = ?',
    params: [topic],
  });
  const retentionMs: unknown = topics?.rows[0]?.['retention_ms'];
  if (retentionMs === undefined) return 0;
  const olderThan = now - Number(retentionMs);
  const removed = await raiseFirstOffset(database, { topic, shard, olderThan, limit });
  if (removed > 0) reached('retention.raised-before-sweep');
  while (await sweepChunks(database, { topic, shard, now, limit }));
  return removed;
}

interface Purge {
  topic: string;
  shard: number;
  olderThan: number;
  limit: number;
}

/**
 * Raises the first offset over chunks that are old and that every subscription has settled. What may go is looked up
 * before the lock, so that a shard with nothing to purge is not locked, and again under it, for a seek or a new
 * subscription: a cursor only goes down, or comes into being, under that lock, and needs no lock of its own here.
 */
async function raiseFirstOffset(database: SqlDatabase, purge: Purge): Promise<number> {
  const { topic, shard } = purge;
  const read = (...statements: Statement[]): Promise<SqlResult[]> => database.read(...statements);
  const [before] = await read(selectShard(topic, shard, ''));
  const seen = before?.rows[0];
  if (!seen || (await endOfPurgeable(read, purge, Number(seen['first_offset']))) === undefined) return 0;
  return database.transaction(async (session) => {
    const [locked] = await session.run(selectShard(topic, shard, database.dialect.forUpdate));
    const row = locked?.rows[0];
    if (!row) return 0;
    const first = Number(row['first_offset']);
    const end = await endOfPurgeable((...statements) => session.run(...statements), purge, first);
    if (end === undefined) return 0;
    await session.finish({
      sql: 'UPDATE halfbox_shard SET first_offset = ? WHERE topic = ? AND shard = ?',
      params: [end, topic, shard],
    });
    return end - first;
  });
}

/** The end of the leading chunks that may go; undefined when the first one may not. */
async function endOfPurgeable(
  run: (...statements: Statement[]) => Promise<SqlResult[]>,
  purge: Purge,
  first: number,
): Promise<number | undefined> {
  const { topic, shard, olderThan, limit } = purge;
  const [chunks, lanes] = await run(
    {
      sql: `SELECT first_offset, message_count, appended_at FROM halfbox_shard_log
        WHERE topic = ? AND shard = ? AND first_offset >= ? AND first_offset < ? ORDER BY first_offset`,
      params: [topic, shard, first, first + limit],
    },
    {
      sql: 'SELECT MIN(settled_offset) AS settled FROM halfbox_lane WHERE topic = ? AND shard = ?',
      params: [topic, shard],
    },
  );
  const settled: unknown = lanes?.rows[0]?.['settled'];
  const settledBelow = settled === null || settled === undefined ? Infinity : Number(settled);
  let end: number | undefined;
  for (const chunk of chunks?.rows ?? []) {
    const endOfChunk = Number(chunk['first_offset']) + Number(chunk['message_count']);
    if (Number(chunk['appended_at']) > olderThan || endOfChunk > settledBelow) break;
    end = endOfChunk;
  }
  return end;
}

function selectShard(topic: string, shard: number, lock: string): Statement {
  return {
    sql: `SELECT first_offset FROM halfbox_shard WHERE topic = ? AND shard = ?${lock}`,
    params: [topic, shard],
  };
}
