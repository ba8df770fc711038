import { textOf, type SqlDatabase } from './database.js';
import { removeSubscription } from './remove-subscription.js';

/** Removes ephemeral subscriptions whose time of idleness is over, and finishes removals that a crash interrupted. */
export async function removeIdle(
  database: SqlDatabase,
  now: number,
  limit: number,
): Promise<{ topic: string; group: string }[]> {
  const [found] = await database.read({
    sql: 'SELECT topic, consumer_group FROM halfbox_subscription WHERE idle_until <= ? ORDER BY idle_until LIMIT ?',
    params: [now, limit],
  });
  const removed: { topic: string; group: string }[] = [];
  for (const row of found?.rows ?? []) {
    const topic = textOf(row['topic']);
    const group = textOf(row['consumer_group']);
    if (await removeSubscription(database, topic, group, { idleAt: now })) removed.push({ topic, group });
  }
  return removed;
}
