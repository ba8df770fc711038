import { newId } from '../../message/message-id.js';
import type { ClaimedCheck } from '../check-store.js';
import { listPlaceholders, textOf, type SqlDatabase, type SqlRow } from './database.js';
import { transactionRefsOf, transactionStateCode, transactionStateOf } from './transaction-row.js';

const { prepared, parked } = transactionStateCode;

const claimColumns = 'id, producer, state, asked, answered, prepared_at, instance, message_refs';

/**
 * Claims prepared transactions that are due; see `CheckStore.claimDue`. A compare-and-set: whoever first moves a
 * transaction's due time behind the claim's end holds it, and a claim that nobody ends is due again by itself.
 */
export async function claimDueChecks(
  database: SqlDatabase,
  now: number,
  leaseMs: number,
  limit: number,
): Promise<ClaimedCheck[]> {
  const [due] = await database.read({
    sql: `SELECT id FROM halfbox_transaction WHERE state = ? AND due_at <= ? ORDER BY due_at, id LIMIT ${Math.floor(limit)}`,
    params: [prepared, now],
  });
  const ids = (due?.rows ?? []).map((row) => textOf(row['id']));
  if (ids.length === 0) return [];
  const claimToken = newId();
  const list = listPlaceholders(ids.length);
  const claimedUntil = now + leaseMs;
  const rows = await database.transaction(async (session) => {
    const [, claimed] = await session.finish(
      {
        sql: `UPDATE halfbox_transaction${database.dialect.byPrimaryKey} SET claim_token = ?, claimed_until = ?, due_at = ?
          WHERE id IN (${list}) AND state = ? AND due_at <= ?`,
        params: [claimToken, claimedUntil, claimedUntil, ...ids, prepared, now],
      },
      {
        sql: `SELECT ${claimColumns} FROM halfbox_transaction WHERE id IN (${list}) AND claim_token = ?`,
        params: [...ids, claimToken],
      },
    );
    return claimed?.rows ?? [];
  });
  const order = new Map(ids.map((id, index) => [id, index]));
  rows.sort((a, b) => order.get(textOf(a['id']))! - order.get(textOf(b['id']))!);
  return rows.map((row) => claimOf(row, claimToken));
}

/** Claims one open transaction, due or not; see `CheckStore.claimOne`. */
export async function claimOneCheck(
  database: SqlDatabase,
  transactionId: string,
  now: number,
  leaseMs: number,
): Promise<ClaimedCheck | null> {
  const claimToken = newId();
  const claimedUntil = now + leaseMs;
  return database.transaction(async (session) => {
    // A parked transaction keeps its due time, by which retention finds it. The state is not changed here, so that
    // MySQL may read it before or after it sets the due time.
    const [, claimed] = await session.finish(
      {
        sql: `UPDATE halfbox_transaction SET claim_token = ?, claimed_until = ?,
          due_at = CASE state WHEN ? THEN ? ELSE due_at END
          WHERE id = ? AND state IN (?, ?) AND (claim_token IS NULL OR claimed_until <= ?)`,
        params: [claimToken, claimedUntil, prepared, claimedUntil, transactionId, prepared, parked, now],
      },
      {
        sql: `SELECT ${claimColumns} FROM halfbox_transaction WHERE id = ? AND claim_token = ?`,
        params: [transactionId, claimToken],
      },
    );
    const row = claimed?.rows[0];
    return row ? claimOf(row, claimToken) : null;
  });
}

function claimOf(row: SqlRow, claimToken: string): ClaimedCheck {
  return {
    transactionId: textOf(row['id']),
    producer: textOf(row['producer']),
    state: transactionStateOf(row) === 'parked' ? 'parked' : 'prepared',
    claimToken,
    attempt: Number(row['asked']) + 1,
    answered: Number(row['answered']),
    preparedAt: Number(row['prepared_at']),
    ...(row['instance'] !== null && { instance: textOf(row['instance']) }),
    messageIds: transactionRefsOf(row).map(({ id }) => id),
  };
}
