import { unpackRefs, type LogChunk } from '../../message/ref.js';
import { textOf, type SqlDatabase, type SqlRow, type Statement } from './database.js';

const chunkColumns = 'first_offset, message_count, appended_at, refs';

/**
 * Chunks of a shard that hold offsets from `fromOffset` on, in order: those that begin before `fromOffset + limit`, so
 * up to `limit` messages and the rest of the last chunk. Chunks become readable in order, because they are written under
 * the shard row's lock.
 */
export async function readLog(
  database: SqlDatabase,
  topic: string,
  shard: number,
  fromOffset: number,
  limit: number,
): Promise<LogChunk[]> {
  const [found] = await database.read({
    sql: `SELECT ${chunkColumns} FROM halfbox_shard_log
      WHERE topic = ? AND shard = ? AND first_offset < ? AND first_offset >= COALESCE((
        SELECT MAX(covering.first_offset) FROM halfbox_shard_log covering
        WHERE covering.topic = ? AND covering.shard = ? AND covering.first_offset <= ?), ?)
      ORDER BY first_offset`,
    params: [topic, shard, fromOffset + limit, topic, shard, fromOffset, fromOffset],
  });
  const chunks = chunksFrom(topic, shard, found?.rows ?? [], fromOffset);
  if (chunks.length > 0) return chunks;
  // Nothing there: the end of the log, or the offsets were purged and the log goes on further up.
  const [next] = await database.read(firstChunkFrom(topic, shard, fromOffset + limit));
  return chunksFrom(topic, shard, next?.rows ?? [], fromOffset);
}

function firstChunkFrom(topic: string, shard: number, offset: number): Statement {
  return {
    sql: `SELECT ${chunkColumns} FROM halfbox_shard_log WHERE topic = ? AND shard = ? AND first_offset >= ?
      ORDER BY first_offset LIMIT 1`,
    params: [topic, shard, offset],
  };
}

function chunksFrom(topic: string, shard: number, rows: SqlRow[], fromOffset: number): LogChunk[] {
  const chunks: LogChunk[] = [];
  for (const row of rows) {
    const firstOffset = Number(row['first_offset']);
    if (firstOffset + Number(row['message_count']) <= fromOffset) continue;
    const cut = Math.max(0, fromOffset - firstOffset);
    const refs = unpackRefs(textOf(row['refs']));
    chunks.push({
      topic,
      shard,
      firstOffset: firstOffset + cut,
      appendedAt: Number(row['appended_at']),
      refs: cut > 0 ? refs.slice(cut) : refs,
    });
  }
  return chunks;
}
