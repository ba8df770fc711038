import type { DeadLetterSelection } from '../dead-letter-store.js';
import { textOf, type SqlDatabase } from './database.js';
import { deleteIds } from './delete-ids.js';
import { lockDeadLetters, markChanged, type SubscriptionName } from './lock-dead-letters.js';

/** Deletes dead letters in one database transaction; ordering keys that they blocked are free again. */
export async function discard(
  database: SqlDatabase,
  selection: DeadLetterSelection,
  limit: number,
): Promise<{ count: number; subscriptions: SubscriptionName[] }> {
  const now = await database.now();
  return database.transaction(async (session) => {
    const { rows, subscriptions } = await lockDeadLetters(database, session, selection, limit);
    if (rows.length === 0) return { count: 0, subscriptions: [] };
    const ids = rows.map((row) => textOf(row['id']));
    await session.finish(...deleteIds('halfbox_dead_letter', ids), ...markChanged(subscriptions, now));
    return { count: rows.length, subscriptions };
  });
}
