import type { SqlDatabase } from './database.js';

/** Pauses or resumes; a reason is kept only while paused. False when there is no such subscription. */
export async function pauseSubscription(
  database: SqlDatabase,
  topic: string,
  group: string,
  paused: boolean,
  reason: string | undefined,
): Promise<boolean> {
  const now = await database.now();
  return database.transaction(async (session) => {
    const [changed] = await session.finish({
      sql: `UPDATE halfbox_subscription SET paused = ?, paused_reason = ?, changed_at = ?
        WHERE topic = ? AND consumer_group = ? AND removing = 0`,
      params: [paused ? 1 : 0, paused ? reason : null, now, topic, group],
    });
    return changed?.affectedRows === 1;
  });
}
