import type { CheckAttempt, CheckOutcome } from '../../message/transaction.js';
import type { StoredMessage } from '../../message/message.js';
import type { TransactionView } from '../lookup-store.js';
import { textOf, type SqlDatabase, type SqlRow } from './database.js';
import { resolvedMessages } from './lock-transactions.js';
import { messageColumns, storedMessageOf } from './message-row.js';
import { readInLists } from './read-in-lists.js';
import { placementsOf, resolverOf, transactionRefsOf, transactionStateOf } from './transaction-row.js';

/** The columns that {@link viewsOf} reads. */
export const transactionColumns =
  'id, producer, instance, state, due_at, prepared_at, first_check_at, message_refs, placements, resolved_at, resolved_by, reason';

/** One transaction with its messages and checks; see `LookupStore.getTransaction`. */
export async function getTransaction(
  database: SqlDatabase,
  id: string,
  withBodies: boolean,
): Promise<TransactionView | null> {
  const [found, attempts] = await database.read(
    { sql: `SELECT ${transactionColumns} FROM halfbox_transaction WHERE id = ?`, params: [id] },
    {
      sql: `SELECT attempt, at, outcome, latency_ms, error FROM halfbox_check_attempt
        WHERE transaction_id = ? ORDER BY attempt`,
      params: [id],
    },
  );
  const [view] = await viewsOf(database, found?.rows ?? []);
  if (!view) return null;
  if (withBodies) await addStored(database, view);
  return { ...view, checks: (attempts?.rows ?? []).map(attemptOf) };
}

type View = Omit<TransactionView, 'checks'>;

/** The transactions of these rows. A delayed message shows where it lies once it has been appended. */
export async function viewsOf(database: SqlDatabase, rows: SqlRow[]): Promise<View[]> {
  const views = rows.map(viewOf);
  const delayed = new Map<string, View['messages'][number]>();
  for (const { messages } of views) {
    for (const message of messages) if (message.deliverAt !== undefined) delayed.set(message.id, message);
  }
  const placed = await readInLists(
    (...statements) => database.read(...statements),
    [...delayed.keys()],
    (list) => `SELECT id, shard, log_offset FROM halfbox_message WHERE shard IS NOT NULL AND id IN ${list}`,
  );
  for (const row of placed) {
    delayed.get(textOf(row['id']))!.placement = { shard: Number(row['shard']), offset: Number(row['log_offset']) };
  }
  return views;
}

function viewOf(row: SqlRow): View {
  const state = transactionStateOf(row);
  const view: View = {
    id: textOf(row['id']),
    producer: textOf(row['producer']),
    state,
    preparedAt: Number(row['prepared_at']),
    firstCheckAt: Number(row['first_check_at']),
    messages: resolvedMessages(transactionRefsOf(row), state === 'committed' ? placementsOf(row) : null),
  };
  if (row['instance'] !== null) view.instance = textOf(row['instance']);
  if (state === 'prepared') view.nextCheckAt = Number(row['due_at']);
  if (state === 'committed' || state === 'rolled_back') {
    view.resolvedAt = Number(row['resolved_at']);
    view.resolvedBy = resolverOf(row);
    if (row['reason'] !== null) view.reason = textOf(row['reason']);
  }
  return view;
}

async function addStored(database: SqlDatabase, view: View): Promise<void> {
  const rows = await readInLists(
    (...statements) => database.read(...statements),
    view.messages.map(({ id }) => id),
    (list) => `SELECT ${messageColumns} FROM halfbox_message WHERE id IN ${list}`,
  );
  const stored = new Map<string, StoredMessage>(rows.map((row) => [textOf(row['id']), storedMessageOf(row)]));
  for (const message of view.messages) {
    const found = stored.get(message.id);
    if (found) message.stored = found;
  }
}

function attemptOf(row: SqlRow): CheckAttempt {
  const attempt: CheckAttempt = {
    attempt: Number(row['attempt']),
    at: Number(row['at']),
    outcome: textOf(row['outcome']) as CheckOutcome,
    latencyMs: Number(row['latency_ms']),
  };
  if (row['error'] !== null) attempt.error = textOf(row['error']);
  return attempt;
}
