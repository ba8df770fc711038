import { textOf, type SqlDatabase } from './database.js';
import { discard } from './discard.js';

/** Discards up to `limit` dead letters that died before `before`, the oldest first; answers how many. */
export async function purgeDeadLetters(database: SqlDatabase, before: number, limit: number): Promise<number> {
  const [found] = await database.read({
    sql: 'SELECT id FROM halfbox_dead_letter WHERE died_at < ? ORDER BY died_at LIMIT ?',
    params: [before, limit],
  });
  const ids = (found?.rows ?? []).map((row) => textOf(row['id']));
  if (ids.length === 0) return 0;
  const { count } = await discard(database, { ids }, limit);
  return count;
}
