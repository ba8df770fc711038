import type { SqlDatabase } from './database.js';

/** Subscriptions of one database transaction at most. */
const subscriptionsMax = 200;

/** Counts the idle time of ephemeral subscriptions from `now`; others are left as they are. Rows are locked in key order. */
export async function touchSubscriptions(
  database: SqlDatabase,
  subscriptions: { topic: string; group: string }[],
  now: number,
): Promise<void> {
  const sorted = [...subscriptions].sort((a, b) => (`${a.topic}/${a.group}` < `${b.topic}/${b.group}` ? -1 : 1));
  for (let start = 0; start < sorted.length; start += subscriptionsMax) {
    const statements = sorted.slice(start, start + subscriptionsMax).map(({ topic, group }) => ({
      sql: `UPDATE halfbox_subscription SET idle_until = ? + expires_after_idle_ms
        WHERE topic = ? AND consumer_group = ? AND expires_after_idle_ms IS NOT NULL AND removing = 0`,
      params: [now, topic, group],
    }));
    await database.transaction(async (session) => {
      await session.finish(...statements);
    });
  }
}
