import { orderingKeyHash } from '../../message/ordering-key.js';
import { Problem } from '../../message/problem.js';
import type { Page } from '../catalog-store.js';
import type { MessageView } from '../lookup-store.js';
import { textOf, type SqlDatabase, type SqlRow, type SqlValue } from './database.js';
import { messageColumns, storedMessageOf } from './message-row.js';
import { readInLists } from './read-in-lists.js';
import { placementsOf, transactionRefsOf, transactionStateOf } from './transaction-row.js';

const viewColumns = `${messageColumns}, due_at, recalled_at, shard, log_offset`;

/** One message with its state; see `LookupStore.getMessage`. */
export async function getMessage(database: SqlDatabase, id: string): Promise<MessageView | null> {
  const [found] = await database.read({ sql: `SELECT ${viewColumns} FROM halfbox_message WHERE id = ?`, params: [id] });
  const [view] = await viewsOf(database, found?.rows ?? []);
  return view ?? null;
}

/** Messages of a business key, oldest first; see `LookupStore.listMessages`. `validation-failed` for an `after` of no page. */
export async function listMessages(
  database: SqlDatabase,
  { topic, key, from, to }: { topic: string; key: string; from?: number; to?: number },
  after: string | undefined,
  limit: number,
): Promise<Page<MessageView>> {
  const conditions = ['topic = ?', 'message_key = ?'];
  const params: SqlValue[] = [topic, key];
  if (from !== undefined) {
    conditions.push('stored_at >= ?');
    params.push(from);
  }
  if (to !== undefined) {
    conditions.push('stored_at < ?');
    params.push(to);
  }
  if (after !== undefined) {
    const { storedAt, id } = positionOf(after);
    conditions.push('(stored_at > ? OR (stored_at = ? AND id > ?))');
    params.push(storedAt, storedAt, id);
  }
  const [found] = await database.read({
    sql: `SELECT ${viewColumns} FROM halfbox_message WHERE ${conditions.join(' AND ')}
      ORDER BY stored_at, id LIMIT ${Math.floor(limit) + 1}`,
    params,
  });
  const rows = found?.rows ?? [];
  const items = await viewsOf(database, rows.slice(0, limit));
  const last = items.at(-1)?.message;
  return { items, next: rows.length > limit && last ? `${last.storedAt}:${last.id}` : null };
}

function positionOf(after: string): { storedAt: number; id: string } {
  const [, storedAt, id] = /^(\d{1,15}):(.+)$/.exec(after) ?? [];
  if (storedAt === undefined || id === undefined) {
    const fields = [{ path: 'after', reason: 'is not the `next` of a page' }];
    throw new Problem('validation-failed', 'after does not name a page', { fields });
  }
  return { storedAt: Number(storedAt), id };
}

async function viewsOf(database: SqlDatabase, rows: SqlRow[]): Promise<MessageView[]> {
  const ids = rows
    .filter((row) => row['transaction_id'] !== null && row['shard'] === null && row['recalled_at'] === null)
    .map((row) => textOf(row['transaction_id']));
  const transactions = await readInLists(
    (...statements) => database.read(...statements),
    [...new Set(ids)],
    (list) => `SELECT id, state, message_refs, placements FROM halfbox_transaction WHERE id IN ${list}`,
  );
  const byId = new Map(transactions.map((row) => [textOf(row['id']), row]));
  return rows.map((row) => viewOf(row, byId));
}

function viewOf(row: SqlRow, transactions: Map<string, SqlRow>): MessageView {
  const message = storedMessageOf(row);
  const ref: MessageView['ref'] = { id: message.id };
  if (message.tag !== undefined) ref.tag = message.tag;
  if (message.orderingKey !== undefined) ref.keyHash = orderingKeyHash(message.orderingKey);
  const view: MessageView = { message, state: 'visible', ref };
  if (row['due_at'] !== null) view.deliverAt = Number(row['due_at']);
  const transaction = transactions.get(message.transactionId ?? '');
  const state = transaction && transactionStateOf(transaction);
  if (row['recalled_at'] !== null) view.state = 'recalled';
  else if (row['shard'] !== null) view.placement = { shard: Number(row['shard']), offset: Number(row['log_offset']) };
  else if (state === 'prepared') view.state = 'half';
  else if (state === 'parked' || state === 'rolled_back') view.state = state;
  else if (row['due_at'] !== null) view.state = 'scheduled';
  // The transaction's row may be gone before the message: then it is visible, and only where is forgotten.
  else if (transaction) addPlacement(view, transaction);
  return view;
}

function addPlacement(view: MessageView, transaction: SqlRow): void {
  const index = transactionRefsOf(transaction).findIndex(({ id }) => id === view.message.id);
  const [first, offset] = placementsOf(transaction)?.[index] ?? [];
  if (first === undefined) return;
  if (offset !== undefined) view.placement = { shard: first, offset };
  else {
    // Committed between the two reads.
    view.state = 'scheduled';
    view.deliverAt = first;
  }
}
