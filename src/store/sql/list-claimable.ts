import type { Subscription } from '../subscription-store.js';
import { listPlaceholders, textOf, type SqlDatabase, type Statement } from './database.js';
import { subscriptionColumns, subscriptionOf } from './subscription-row.js';

/** Owners that are gone, of one call at most; more of them are found by the next. */
const ownersMax = 500;

/**
 * Subscriptions that nobody owns, or whose owner's node row is missing or has ended at `now`. Owners are few and read
 * from the index, so that owned subscriptions cost nothing here, however many there are.
 */
export async function listClaimable(database: SqlDatabase, now: number, limit: number): Promise<Subscription[]> {
  const [owners, nodes] = await database.read(
    { sql: 'SELECT DISTINCT owner FROM halfbox_subscription WHERE owner IS NOT NULL' },
    { sql: 'SELECT id FROM halfbox_node WHERE expires_at > ?', params: [now] },
  );
  const live = new Set(nodes?.rows.map((row) => textOf(row['id'])));
  const gone = (owners?.rows ?? [])
    .map((row) => textOf(row['owner']))
    .filter((owner) => !live.has(owner))
    .slice(0, ownersMax);
  const statements: Statement[] = [selectWhere('owner IS NULL', [], limit)];
  if (gone.length > 0) statements.push(selectWhere(`owner IN (${listPlaceholders(gone.length)})`, gone, limit));
  const results = await database.read(...statements);
  return results.flatMap((result) => result.rows.map(subscriptionOf)).slice(0, limit);
}

function selectWhere(condition: string, params: string[], limit: number): Statement {
  return {
    sql: `SELECT ${subscriptionColumns} FROM halfbox_subscription WHERE ${condition} AND removing = 0 LIMIT ?`,
    params: [...params, limit],
  };
}
