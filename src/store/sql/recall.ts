import type { SqlDatabase, SqlSession } from './database.js';

/** Recalls a delayed message before it is due; see `ScheduleStore.recall`. */
export function recallMessage(
  database: SqlDatabase,
  messageId: string,
  now: number,
): Promise<'recalled' | 'not-recallable' | 'message-not-found'> {
  return database.transaction(async (session) => {
    const message = await readMessage(session, messageId);
    if (!message) return 'message-not-found';
    if (message['recalled_at'] !== null) return 'recalled';
    if (message['due_at'] === null || message['shard'] !== null || Number(message['due_at']) <= now) {
      return 'not-recallable';
    }
    // Whoever takes the row out of the schedule decides: this call, the append, or another recall.
    const [taken] = await session.run({
      sql: 'DELETE FROM halfbox_scheduled_message WHERE due_at = ? AND message_id = ?',
      params: [Number(message['due_at']), messageId],
    });
    if (taken?.affectedRows === 1) {
      await session.run(
        { sql: 'UPDATE halfbox_message SET recalled_at = ? WHERE id = ?', params: [now, messageId] },
        // It is in no log that retention goes by, so its end is written down here. A deleted topic may have left the end
        // of an earlier message with this id.
        {
          sql: `INSERT INTO halfbox_kept_message (message_id, stored_at, recheck_at)
            SELECT message.id, message.stored_at, ? + topic.retention_ms FROM halfbox_message message
            JOIN halfbox_topic topic ON topic.name = message.topic WHERE message.id = ?
            ${database.dialect.onConflictUpdate(['message_id'], ['stored_at', 'recheck_at'])}`,
          params: [now, messageId],
        },
      );
      return 'recalled';
    }
    const after = await readMessage(session, messageId);
    return after && after['recalled_at'] !== null ? 'recalled' : 'not-recallable';
  });
}

async function readMessage(session: SqlSession, messageId: string) {
  const [found] = await session.run({
    sql: 'SELECT due_at, recalled_at, shard FROM halfbox_message WHERE id = ?',
    params: [messageId],
  });
  return found?.rows[0];
}
