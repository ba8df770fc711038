import { listPlaceholders, textOf, type SqlDatabase, type SqlRow, type Statement } from './database.js';
import { deleteIds } from './delete-ids.js';
import { transactionRefsOf, transactionStateCode, transactionStateOf } from './transaction-row.js';

interface OldTransaction {
  id: string;
  /** Messages that go with it; none of a committed one, whose messages belong to the log. */
  messageIds: string[];
}

/** Deletes resolved transactions whose time is over at `now`, and the messages of the rolled-back ones. */
export function purgeResolved(database: SqlDatabase, now: number, limit: number): Promise<number> {
  return purgeTransactions(database, [transactionStateCode.rolled_back, transactionStateCode.committed], now, limit);
}

/** Deletes transactions that were parked before `before`, with their messages. */
export function purgeParked(database: SqlDatabase, before: number, limit: number): Promise<number> {
  return purgeTransactions(database, [transactionStateCode.parked], before - 1, limit);
}

/**
 * Deletes transactions that are in these states and whose `due_at` is not after `dueAt`: up to `limit`, fewer when they
 * have more than about `limit` messages, and none only when none is left. Answers how many. They are locked in the order
 * of their ids and looked at again, since a parked one may be resolved at the same time.
 */
async function purgeTransactions(
  database: SqlDatabase,
  states: number[],
  dueAt: number,
  limit: number,
): Promise<number> {
  const found = await database.read(
    ...states.map((state): Statement => ({
      sql: `SELECT id, state, message_refs FROM halfbox_transaction WHERE state = ? AND due_at <= ?
        ORDER BY due_at LIMIT ?`,
      params: [state, dueAt, limit],
    })),
  );
  const old = withinLimit(
    found.flatMap(({ rows }) => rows),
    limit,
  );
  if (old.size === 0) return 0;
  return database.transaction(async (session) => {
    const { byPrimaryKey, forUpdate } = database.dialect;
    // Only by id: with the state and the time in the condition, a planner may read the index of all old transactions.
    const [locked] = await session.run({
      sql: `SELECT id, state, due_at, asked FROM halfbox_transaction${byPrimaryKey}
        WHERE id IN (${listPlaceholders(old.size)}) ORDER BY id${forUpdate}`,
      params: [...old.keys()],
    });
    const rows = (locked?.rows ?? []).filter(
      (row) => states.includes(Number(row['state'])) && Number(row['due_at']) <= dueAt,
    );
    const ids = rows.map((row) => textOf(row['id']));
    const asked = rows.filter((row) => Number(row['asked']) > 0).map((row) => textOf(row['id']));
    const messageIds = ids.flatMap((id) => old.get(id)?.messageIds ?? []);
    await session.finish(
      ...deleteIds('halfbox_message', messageIds),
      ...deleteAttempts(asked),
      ...deleteIds('halfbox_transaction', ids),
    );
    return ids.length;
  });
}

function withinLimit(rows: SqlRow[], limit: number): Map<string, OldTransaction> {
  const old = new Map<string, OldTransaction>();
  let messages = 0;
  for (const row of rows) {
    if (old.size >= limit || messages >= limit) break;
    const isCommitted = transactionStateOf(row) === 'committed';
    const messageIds = isCommitted ? [] : transactionRefsOf(row).map((ref) => ref.id);
    messages += messageIds.length;
    const id = textOf(row['id']);
    old.set(id, { id, messageIds });
  }
  return old;
}

function deleteAttempts(transactionIds: string[]): Statement[] {
  if (transactionIds.length === 0) return [];
  return [
    {
      sql: `DELETE FROM halfbox_check_attempt WHERE transaction_id IN (${listPlaceholders(transactionIds.length)})`,
      params: transactionIds,
    },
  ];
}
