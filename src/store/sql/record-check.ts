import type { CheckAttempt, CheckOutcome } from '../../message/transaction.js';
import type { ClaimedCheck } from '../check-store.js';
import { listPlaceholders, textOf, type SqlDatabase, type SqlValue, type Statement } from './database.js';
import { transactionStateCode, transactionStateOf } from './transaction-row.js';

const answers: CheckOutcome[] = ['commit', 'rollback', 'unknown'];

/** Stores how an ask ended; see `CheckStore.record`. */
export function recordCheck(
  database: SqlDatabase,
  check: ClaimedCheck,
  attempt: CheckAttempt,
  next: { dueAt: number } | { park: true },
  historyMax: number,
): Promise<boolean> {
  const { transactionId } = check;
  return database.transaction(async (session) => {
    const [found] = await session.run({
      sql: `SELECT state, claim_token FROM halfbox_transaction WHERE id = ?${database.dialect.forUpdate}`,
      params: [transactionId],
    });
    const row = found?.rows[0];
    if (!row || row['claim_token'] === null || textOf(row['claim_token']) !== check.claimToken) return false;
    const state = transactionStateOf(row);
    const answered = answers.includes(attempt.outcome) ? 1 : 0;
    const params: SqlValue[] = [attempt.attempt, answered];
    let change = '';
    // A parked or resolved transaction keeps its due time: retention goes by it.
    if (state === 'prepared') {
      const parks = 'park' in next;
      change = ', state = ?, due_at = ?';
      params.push(transactionStateCode[parks ? 'parked' : 'prepared'], parks ? attempt.at : next.dueAt);
    }
    await session.finish(...insertAttempt(transactionId, attempt, historyMax), {
      sql: `UPDATE halfbox_transaction SET claim_token = NULL, claimed_until = NULL, asked = ?, answered = answered + ?${change}
          WHERE id = ?`,
      params: [...params, transactionId],
    });
    return state === 'prepared' || state === 'parked';
  });
}

function insertAttempt(transactionId: string, attempt: CheckAttempt, historyMax: number): Statement[] {
  return [
    {
      sql: `INSERT INTO halfbox_check_attempt (transaction_id, attempt, at, outcome, latency_ms, error)
        VALUES (?, ?, ?, ?, ?, ?)`,
      params: [transactionId, attempt.attempt, attempt.at, attempt.outcome, attempt.latencyMs, attempt.error],
    },
    {
      sql: 'DELETE FROM halfbox_check_attempt WHERE transaction_id = ? AND attempt <= ?',
      params: [transactionId, attempt.attempt - historyMax],
    },
  ];
}

/** Gives claims back and moves the next check; see `CheckStore.postpone`. */
export async function postponeChecks(database: SqlDatabase, checks: ClaimedCheck[], dueAt: number): Promise<void> {
  const idsByToken = new Map<string, string[]>();
  for (const { transactionId, claimToken } of checks) {
    const ids = idsByToken.get(claimToken);
    if (ids) ids.push(transactionId);
    else idsByToken.set(claimToken, [transactionId]);
  }
  const { prepared } = transactionStateCode;
  const statements = [...idsByToken].map(([claimToken, ids]) => ({
    sql: `UPDATE halfbox_transaction${database.dialect.byPrimaryKey} SET claim_token = NULL, claimed_until = NULL,
      due_at = CASE state WHEN ? THEN ? ELSE due_at END WHERE id IN (${listPlaceholders(ids.length)}) AND claim_token = ?`,
    params: [prepared, dueAt, ...ids, claimToken],
  }));
  if (statements.length > 0) await database.transaction((session) => session.finish(...statements));
}
