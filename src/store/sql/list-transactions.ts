import type { TransactionState } from '../../message/transaction.js';
import type { Page } from '../catalog-store.js';
import type { TransactionView } from '../lookup-store.js';
import { textOf, type SqlDatabase, type SqlRow, type SqlValue } from './database.js';
import { transactionColumns, viewsOf } from './lookup-transactions.js';
import { transactionRefsOf, transactionStateCode } from './transaction-row.js';

/** Transactions by id; see `LookupStore.listTransactions`. */
export async function listTransactions(
  database: SqlDatabase,
  filter: { state?: TransactionState; producer?: string; topic?: string },
  after: string | undefined,
  limit: number,
): Promise<Page<Omit<TransactionView, 'checks'>>> {
  const rows: SqlRow[] = [];
  let last = after;
  let more = true;
  // A tag may look like the topic that is searched for: such rows are left out here, and the next ones are read.
  while (more && rows.length <= limit) {
    const wanted = limit + 1 - rows.length;
    const found = await readPage(database, filter, last, wanted);
    more = found.length === wanted;
    last = found.length > 0 ? textOf(found.at(-1)!['id']) : last;
    const { topic } = filter;
    for (const row of found) {
      if (topic === undefined || transactionRefsOf(row).some((ref) => ref.topic === topic)) rows.push(row);
    }
  }
  const items = await viewsOf(database, rows.slice(0, limit));
  return { items, next: rows.length > limit ? items.at(-1)!.id : null };
}

async function readPage(
  database: SqlDatabase,
  { state, producer, topic }: { state?: TransactionState; producer?: string; topic?: string },
  after: string | undefined,
  limit: number,
): Promise<SqlRow[]> {
  const conditions = ['id > ?'];
  const params: SqlValue[] = [after ?? ''];
  if (state !== undefined) {
    conditions.push('state = ?');
    params.push(transactionStateCode[state]);
  }
  if (producer !== undefined) {
    conditions.push('producer = ?');
    params.push(producer);
  }
  if (topic !== undefined) {
    conditions.push('INSTR(message_refs, ?) > 0');
    params.push(`,${JSON.stringify(topic)}`);
  }
  const [found] = await database.read({
    sql: `SELECT ${transactionColumns} FROM halfbox_transaction WHERE ${conditions.join(' AND ')}
      ORDER BY id LIMIT ${Math.floor(limit)}`,
    params,
  });
  return found?.rows ?? [];
}
