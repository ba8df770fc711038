import type { Outcome } from '../../message/problem.js';
import type { PreparedTransaction, PrepareItem } from '../half-store.js';
import type { SqlDatabase, SqlSession } from './database.js';
import { eachAlone, isUnavailable } from './each-alone.js';
import { MessageInsert } from './insert-messages.js';
import { insertTransactions } from './insert-transactions.js';
import { answerRepeats } from './prepare-repeats.js';

/** How often one item is tried when another writer takes its id between the look and the INSERT. */
const racesMax = 3;

/**
 * Stores half messages: new ids, the usual case, in one round trip with its COMMIT. Only when an id is there already
 * does a second database transaction look which ones are, and answers those by what is stored.
 */
export async function prepareItems(
  database: SqlDatabase,
  items: PrepareItem[],
  now: number,
): Promise<Outcome<PreparedTransaction>[]> {
  if (items.length === 0) return [];
  try {
    if (!hasRepeatedIds(items)) {
      await database.transaction((session) => insertItems(database, session, items, now, true));
      return items.map((item) => ({ value: preparedNow(item, now) }));
    }
  } catch (error) {
    if (isUnavailable(error)) throw error;
    if (!database.isDuplicate(error)) return eachAlone(items, (item) => prepareAlone(database, item, now));
  }
  try {
    return await prepareCarefully(database, items, now);
  } catch (error) {
    if (isUnavailable(error)) throw error;
    return eachAlone(items, (item) => prepareAlone(database, item, now));
  }
}

async function prepareAlone(
  database: SqlDatabase,
  item: PrepareItem,
  now: number,
): Promise<Outcome<PreparedTransaction>[]> {
  for (let race = 1; ; race += 1) {
    try {
      return await prepareCarefully(database, [item], now);
    } catch (error) {
      if (!database.isDuplicate(error) || race === racesMax) throw error;
    }
  }
}

/** Answers the items whose ids are stored and inserts the rest, in one database transaction. */
function prepareCarefully(
  database: SqlDatabase,
  items: PrepareItem[],
  now: number,
): Promise<Outcome<PreparedTransaction>[]> {
  return database.transaction(async (session) => {
    const { outcomes, fresh } = await answerRepeats(session, items, (item) => preparedNow(item, now));
    if (fresh.length > 0) await insertItems(database, session, fresh, now, false);
    return outcomes;
  });
}

/** Rows go in by ascending id, so that two batches that share ids wait for each other and do not deadlock. */
async function insertItems(
  database: SqlDatabase,
  session: SqlSession,
  items: PrepareItem[],
  now: number,
  commit: boolean,
): Promise<void> {
  const inOrder = items.toSorted((a, b) => (a.transactionId < b.transactionId ? -1 : 1));
  const messages = new MessageInsert(database.statementBytesMax, now);
  for (const { transactionId, messages: ofItem } of inOrder) {
    for (const message of ofItem) messages.add(message, { transactionId });
  }
  const statements = [...insertTransactions(inOrder, now, database.statementBytesMax), ...messages.statements()];
  await (commit ? session.finish(...statements) : session.run(...statements));
}

function preparedNow({ transactionId, messages, firstCheckAfterMs }: PrepareItem, now: number): PreparedTransaction {
  return {
    id: transactionId,
    state: 'prepared',
    firstCheckAt: now + firstCheckAfterMs,
    messages: messages.map(({ id, topic }) => ({ id, topic })),
    repeated: false,
  };
}

function hasRepeatedIds(items: PrepareItem[]): boolean {
  const transactions = new Set<string>();
  const messages = new Set<string>();
  let count = 0;
  for (const { transactionId, messages: ofItem } of items) {
    transactions.add(transactionId);
    for (const { id } of ofItem) messages.add(id);
    count += ofItem.length;
  }
  return transactions.size < items.length || messages.size < count;
}
