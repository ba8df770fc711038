import { packRefs, type LogChunk } from '../../message/ref.js';
import type { SqlDatabase, Statement } from './database.js';
import { MultiRowInsert } from './multi-row-insert.js';

const shardColumns = 'topic,shard,first_offset,next_offset,last_appended_at';
const chunkColumns = 'topic,shard,first_offset,message_count,appended_at,refs';

/** Writes the chunks of locked shards and moves the shards' next offsets behind them. Chunks of a shard are in order. */
export function insertChunks(database: SqlDatabase, chunks: LogChunk[]): Statement[] {
  const { dialect, statementBytesMax } = database;
  const changed = dialect.onConflictUpdate(['topic', 'shard'], ['next_offset', 'last_appended_at']);
  const shards = new MultiRowInsert('halfbox_shard', shardColumns, statementBytesMax, changed);
  const log = new MultiRowInsert('halfbox_shard_log', chunkColumns, statementBytesMax);
  chunks.forEach(({ topic, shard, firstOffset, appendedAt, refs }, index) => {
    const packed = packRefs(refs);
    log.row(packed.length * 2).push(topic, shard, firstOffset, refs.length, appendedAt, packed);
    const next = chunks[index + 1];
    if (next?.topic === topic && next.shard === shard) return;
    // The row is there and locked, so that this updates it; first_offset belongs to retention and is not touched.
    shards.row(0).push(topic, shard, 0, firstOffset + refs.length, appendedAt);
  });
  return [...shards.statements(), ...log.statements()];
}
