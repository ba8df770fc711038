import type { SqlDatabase, SqlRow, Statement } from './database.js';
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
  while (await sweepChunks(database, { topic, shard, now, limit }));
  return removed;
}

/**
 * Raises the first offset over chunks that are old and that every subscription has settled. Lanes are read under the
 * shard row's lock without locking them: a cursor only goes down, or comes into being, under that lock.
 */
async function raiseFirstOffset(
  database: SqlDatabase,
  range: { topic: string; shard: number; olderThan: number; limit: number },
): Promise<number> {
  const { topic, shard, olderThan, limit } = range;
  const [before] = await database.read(selectShard(topic, shard, ''));
  if (!before?.rows[0]) return 0;
  const oldest = await database.read(selectChunks(topic, shard, Number(before.rows[0]['first_offset']), 1));
  if (endOfOld(oldest[0]?.rows ?? [], olderThan, Infinity) === undefined) return 0;

  return database.transaction(async (session) => {
    const [locked, lanes] = await session.run(selectShard(topic, shard, database.dialect.forUpdate), {
      sql: 'SELECT MIN(settled_offset) AS settled FROM halfbox_lane WHERE topic = ? AND shard = ?',
      params: [topic, shard],
    });
    const row = locked?.rows[0];
    if (!row) return 0;
    const first = Number(row['first_offset']);
    const settled: unknown = lanes?.rows[0]?.['settled'];
    const settledBelow = settled === null || settled === undefined ? Infinity : Number(settled);
    const [chunks] = await session.run(selectChunks(topic, shard, first, limit));
    const end = endOfOld(chunks?.rows ?? [], olderThan, settledBelow);
    if (end === undefined) return 0;
    await session.finish({
      sql: 'UPDATE halfbox_shard SET first_offset = ? WHERE topic = ? AND shard = ?',
      params: [end, topic, shard],
    });
    return end - first;
  });
}

function selectShard(topic: string, shard: number, lock: string): Statement {
  return {
    sql: `SELECT first_offset FROM halfbox_shard WHERE topic = ? AND shard = ?${lock}`,
    params: [topic, shard],
  };
}

function selectChunks(topic: string, shard: number, fromOffset: number, limit: number): Statement {
  return {
    sql: `SELECT first_offset, message_count, appended_at FROM halfbox_shard_log
      WHERE topic = ? AND shard = ? AND first_offset >= ? AND first_offset < ? ORDER BY first_offset`,
    params: [topic, shard, fromOffset, fromOffset + limit],
  };
}

/** The end of the leading chunks that are old enough and settled; undefined when the first one is not. */
function endOfOld(chunks: SqlRow[], olderThan: number, settledBelow: number): number | undefined {
  let end: number | undefined;
  for (const chunk of chunks) {
    const endOfChunk = Number(chunk['first_offset']) + Number(chunk['message_count']);
    if (Number(chunk['appended_at']) > olderThan || endOfChunk > settledBelow) break;
    end = endOfChunk;
  }
  return end;
}
