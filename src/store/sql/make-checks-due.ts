import { listPlaceholders, textOf, type SqlDatabase, type SqlRow } from './database.js';
import { readInLists } from './read-in-lists.js';
import { transactionStateCode } from './transaction-row.js';

const { prepared } = transactionStateCode;

/** Makes checks of a producer due that were put off; see `CheckStore.makeDue`. Answers how many. */
export async function makeChecksDue(
  database: SqlDatabase,
  producer: string,
  now: number,
  dueBefore: number,
  limit: number,
): Promise<number> {
  const [found] = await database.read({
    sql: `SELECT id, asked FROM halfbox_transaction
      WHERE state = ? AND due_at > ? AND due_at <= ? AND producer = ? AND first_check_at <= ?
        AND claim_token IS NULL AND (asked = 0 OR asked > answered)
      ORDER BY due_at, id LIMIT ${Math.floor(limit)}`,
    params: [prepared, now, dueBefore, producer, now],
  });
  const answered = await lastAnswered(database, found?.rows ?? []);
  const ids = (found?.rows ?? []).map((row) => textOf(row['id'])).filter((id) => !answered.has(id));
  if (ids.length === 0) return 0;
  return database.transaction(async (session) => {
    const [updated] = await session.finish({
      sql: `UPDATE halfbox_transaction${database.dialect.byPrimaryKey} SET due_at = ?
        WHERE id IN (${listPlaceholders(ids.length)}) AND state = ? AND due_at > ? AND claim_token IS NULL`,
      params: [now, ...ids.sort(), prepared, now],
    });
    return updated?.affectedRows ?? 0;
  });
}

/** Those whose last ask was answered: they wait for their interval, and another check would count against them. */
async function lastAnswered(database: SqlDatabase, rows: SqlRow[]): Promise<Set<string>> {
  const asked = new Map(rows.map((row) => [textOf(row['id']), Number(row['asked'])]));
  const attempts = await readInLists(
    (...statements) => database.read(...statements),
    [...asked].filter(([, count]) => count > 0).map(([id]) => id),
    (list) => `SELECT transaction_id, attempt FROM halfbox_check_attempt
      WHERE outcome IN ('commit', 'rollback', 'unknown') AND transaction_id IN ${list}`,
  );
  const last = attempts.filter((row) => asked.get(textOf(row['transaction_id'])) === Number(row['attempt']));
  return new Set(last.map((row) => textOf(row['transaction_id'])));
}
