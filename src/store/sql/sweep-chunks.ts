import { unpackRefs } from '../../message/ref.js';
import { listPlaceholders, textOf, type SqlDatabase, type Statement } from './database.js';
import { deleteIds } from './delete-ids.js';
import { namedMessages } from './named-messages.js';
import { recheckAfterMs } from './purge-kept.js';

/**
 * Deletes chunks below a shard's first offset and their messages, about `limit` of them; answers whether there may be
 * more. A message that a retry or a dead letter names stays, and is written down to be looked at again.
 *
 * The chunks' locks keep two sweepers apart: an id that is sent anew after its message was deleted must not be deleted
 * by the slower one.
 */
export async function sweepChunks(
  database: SqlDatabase,
  range: { topic: string; shard: number; now: number; limit: number },
): Promise<boolean> {
  const { topic, shard, now, limit } = range;
  const { byPrimaryKey, forUpdate } = database.dialect;
  const [below] = await database.read({
    sql: `SELECT MIN(log.first_offset) AS lowest, MAX(shard.first_offset) AS kept FROM halfbox_shard shard
      JOIN halfbox_shard_log log ON log.topic = shard.topic AND log.shard = shard.shard
        AND log.first_offset < shard.first_offset
      WHERE shard.topic = ? AND shard.shard = ?`,
    params: [topic, shard],
  });
  const row = below?.rows[0];
  if (!row || row['lowest'] === null) return false;
  const lowest = Number(row['lowest']);
  const end = Math.min(Number(row['kept']), lowest + limit);
  return database.transaction(async (session) => {
    const [chunks] = await session.run({
      sql: `SELECT first_offset, refs FROM halfbox_shard_log${byPrimaryKey}
        WHERE topic = ? AND shard = ? AND first_offset >= ? AND first_offset < ? ORDER BY first_offset${forUpdate}`,
      params: [topic, shard, lowest, end],
    });
    const rows = chunks?.rows ?? [];
    if (rows.length === 0) return true;
    const ids = rows.flatMap((chunk) => unpackRefs(textOf(chunk['refs'])).map((ref) => ref.id));
    const named = await namedMessages(session, ids);
    await session.finish(
      ...deleteIds(
        'halfbox_message',
        ids.filter((id) => !named.has(id)),
      ),
      ...keepMessages(database, [...named].sort(), now),
      {
        sql: 'DELETE FROM halfbox_shard_log WHERE topic = ? AND shard = ? AND first_offset >= ? AND first_offset < ?',
        params: [topic, shard, lowest, end],
      },
    );
    return true;
  });
}

function keepMessages(database: SqlDatabase, ids: string[], now: number): Statement[] {
  if (ids.length === 0) return [];
  return [
    {
      sql: `INSERT INTO halfbox_kept_message (message_id, stored_at, recheck_at)
        SELECT id, stored_at, ? FROM halfbox_message WHERE id IN (${listPlaceholders(ids.length)})
        ${database.dialect.onConflictUpdate(['message_id'], ['stored_at', 'recheck_at'])}`,
      params: [now + recheckAfterMs, ...ids],
    },
  ];
}
