import { rowPlaceholders, type SqlDatabase, type SqlValue } from '../../../src/store/sql/database.js';
import { transactionStateCode } from '../../../src/store/sql/transaction-row.js';
import { Tables } from '../../simulation/model/tables.js';

/** A transaction that began long ago, with its half messages. */
export interface OldTransaction {
  id: string;
  state: keyof typeof transactionStateCode;
  /** When its retention, or its next check, is due (epoch ms). */
  dueAt: number;
  messages: string[];
  /** Times it was asked about: one attempt row at most. */
  asked: number;
}

export function oldTransaction(
  id: string,
  state: OldTransaction['state'],
  dueAt: number,
  messages = 1,
): OldTransaction {
  return { id, state, dueAt, messages: Array.from({ length: messages }, (_, index) => `${id}.m${index}`), asked: 1 };
}

/** Written past the port, so that it may be as old as the test says; many at a time. */
export async function insertOldTransactions(
  below: SqlDatabase | Tables,
  topic: string,
  transactions: OldTransaction[],
): Promise<void> {
  if (below instanceof Tables) {
    for (const transaction of transactions) insertIntoModel(below, topic, transaction);
    return;
  }
  for (let start = 0; start < transactions.length; start += 1_000) {
    await insertBatch(below, topic, transactions.slice(start, start + 1_000));
  }
}

async function insertBatch(database: SqlDatabase, topic: string, batch: OldTransaction[]): Promise<void> {
  const rows = batch.map(({ id, state, dueAt, messages, asked }): SqlValue[] => {
    const packed = JSON.stringify(messages.map((message) => [message, topic]));
    return [id, 'shop', transactionStateCode[state], dueAt, 0, 0, packed, '', asked, 0, 0, 0];
  });
  const messages = batch.flatMap(({ id, messages: of }) => of.map((message) => [message, topic, id, 0, 0, '{}']));
  await database.transaction(async (session) => {
    await session.finish(
      {
        sql: `INSERT INTO halfbox_transaction (id, producer, state, due_at, prepared_at, first_check_at, message_refs, placements,
          asked, answered, resolved_at, resolved_by) VALUES ${rowPlaceholders(rows.length, 12)}`,
        params: rows.flat(),
      },
      {
        sql: `INSERT INTO halfbox_message (id, topic, transaction_id, stored_at, body_kind, body)
          VALUES ${rowPlaceholders(messages.length, 6)}`,
        params: messages.flat(),
      },
      ...batch
        .filter(({ asked }) => asked > 0)
        .map(({ id }) => ({
          sql: `INSERT INTO halfbox_check_attempt (transaction_id, attempt, at, outcome, latency_ms)
            VALUES (?, 1, 0, 'unknown', 3)`,
          params: [id],
        })),
    );
  });
}

function insertIntoModel(tables: Tables, topic: string, { id, state, dueAt, messages, asked }: OldTransaction): void {
  const ids = messages.map((message) => ({ id: message, topic, delayMs: undefined, deliverAt: undefined }));
  tables.transactions.set(id, {
    id,
    producer: 'shop',
    instance: undefined,
    state,
    dueAt,
    claimToken: null,
    claimedUntil: 0,
    asked,
    answered: 0,
    preparedAt: 0,
    firstCheckAt: 0,
    refs: ids,
    messages: [],
    resolvedAt: 0,
    resolvedBy: 'client',
    reason: undefined,
    attempts: Array.from({ length: asked }, () => ({ attempt: 1, at: 0, outcome: 'unknown', latencyMs: 3 })),
  });
  for (const message of messages) {
    tables.insertMessage({ id: message, idGiven: true, topic, body: { json: '{}' } }, 0, id);
  }
}

/** The tables that are counted, and the id in them that begins with the prefix. */
const idColumns = { halfbox_transaction: 'id', halfbox_check_attempt: 'transaction_id', halfbox_message: 'id' };
export type CountedTable = keyof typeof idColumns;

/** How many rows of a table are of ids that begin with the prefix. */
export async function countRows(below: SqlDatabase | Tables, table: CountedTable, prefix: string): Promise<number> {
  if (below instanceof Tables) return countInModel(below, table, prefix);
  const column = idColumns[table];
  const [found] = await below.read({
    sql: `SELECT COUNT(*) AS entries FROM ${table} WHERE ${column} >= ? AND ${column} < ?`,
    params: [prefix, `${prefix}~`],
  });
  return Number(found?.rows[0]?.['entries']);
}

/** As the model has them. */
function countInModel(tables: Tables, table: CountedTable, prefix: string): number {
  const has = (id: string): boolean => id.startsWith(prefix);
  if (table === 'halfbox_message') return [...tables.messages.keys()].filter(has).length;
  const transactions = [...tables.transactions.values()].filter(({ id }) => has(id));
  if (table === 'halfbox_transaction') return transactions.length;
  return transactions.reduce((all, { attempts }) => all + attempts.length, 0);
}
