import type { SqlDatabase } from './database.js';

/** Gives a lease back if it is still held at `epoch`; false when it was lost before. */
export async function releaseLease(
  database: SqlDatabase,
  topic: string,
  group: string,
  epoch: number,
): Promise<boolean> {
  const now = await database.now();
  return database.transaction(async (session) => {
    const [released] = await session.finish({
      sql: `UPDATE halfbox_subscription SET owner = NULL, changed_at = ?
        WHERE topic = ? AND consumer_group = ? AND epoch = ? AND owner IS NOT NULL`,
      params: [now, topic, group, epoch],
    });
    return released?.affectedRows === 1;
  });
}
