import { listPlaceholders, textOf, type SqlDatabase } from './database.js';
import { deleteIds } from './delete-ids.js';
import { namedMessages } from './named-messages.js';

/** How long until a kept message is looked at again: its body may stay this much longer than the last that named it. */
export const recheckAfterMs = 3_600_000;

/**
 * Looks again at messages whose chunk is gone and that a retry or a dead letter named then; deletes those that nothing
 * names any more. Answers how many were looked at. The time of storing tells a message from a later one of the same id.
 */
export function purgeKept(database: SqlDatabase, now: number, limit: number): Promise<number> {
  return database.transaction(async (session) => {
    const [due] = await session.run({
      sql: `SELECT message_id, stored_at FROM halfbox_kept_message WHERE recheck_at <= ? ORDER BY recheck_at LIMIT ?${database.dialect.forUpdate}`,
      params: [now, limit],
    });
    const storedAt = new Map((due?.rows ?? []).map((row) => [textOf(row['message_id']), Number(row['stored_at'])]));
    if (storedAt.size === 0) return 0;
    const ids = [...storedAt.keys()].sort();
    const named = await namedMessages(session, ids);
    const unnamed = ids.filter((id) => !named.has(id));
    const deletes = [];
    if (unnamed.length > 0) {
      const [messages] = await session.run({
        sql: `SELECT id, stored_at FROM halfbox_message WHERE id IN (${listPlaceholders(unnamed.length)})`,
        params: unnamed,
      });
      const same = (messages?.rows ?? []).filter((row) => storedAt.get(textOf(row['id'])) === Number(row['stored_at']));
      deletes.push(
        ...deleteIds(
          'halfbox_message',
          same.map((row) => textOf(row['id'])),
        ),
        {
          sql: `DELETE FROM halfbox_kept_message WHERE message_id IN (${listPlaceholders(unnamed.length)})`,
          params: unnamed,
        },
      );
    }
    if (named.size > 0) {
      deletes.push({
        sql: `UPDATE halfbox_kept_message SET recheck_at = ? WHERE message_id IN (${listPlaceholders(named.size)})`,
        params: [now + recheckAfterMs, ...named],
      });
    }
    await session.finish(...deletes);
    return ids.length;
  });
}
