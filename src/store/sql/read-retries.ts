import type { RetryEntry } from '../lane-store.js';
import type { SqlDatabase, Statement } from './database.js';
import { retryColumns, retryEntryOf, retryStateCode } from './retry-row.js';

/** Entries of state `due` whose time has come, by due time. */
export function readDueRetries(
  database: SqlDatabase,
  topic: string,
  group: string,
  now: number,
  limit: number,
): Promise<RetryEntry[]> {
  return readEntries(database, {
    sql: `SELECT ${retryColumns} FROM halfbox_retry
      WHERE topic = ? AND consumer_group = ? AND state = ? AND due_at <= ? ORDER BY due_at, shard, log_offset LIMIT ?`,
    params: [topic, group, retryStateCode.due, now, limit],
  });
}

/** Entries that are with a consumer, by the end of their claim. */
export function readGivenRetries(
  database: SqlDatabase,
  topic: string,
  group: string,
  limit: number,
): Promise<RetryEntry[]> {
  return readEntries(database, {
    sql: `SELECT ${retryColumns} FROM halfbox_retry
      WHERE topic = ? AND consumer_group = ? AND state = ? ORDER BY due_at, shard, log_offset LIMIT ?`,
    params: [topic, group, retryStateCode.given, limit],
  });
}

/** The first due time of an entry of state `due`; null when there is none. */
export async function readNextRetryAt(database: SqlDatabase, topic: string, group: string): Promise<number | null> {
  const [found] = await database.read({
    sql: 'SELECT MIN(due_at) AS next_at FROM halfbox_retry WHERE topic = ? AND consumer_group = ? AND state = ?',
    params: [topic, group, retryStateCode.due],
  });
  const nextAt: unknown = found?.rows[0]?.['next_at'];
  return nextAt === null || nextAt === undefined ? null : Number(nextAt);
}

/** The entry of an ordering key with the lowest offset; a key has one shard, so offsets alone give the order. */
export async function readFirstOfKey(
  database: SqlDatabase,
  topic: string,
  group: string,
  keyHash: string,
): Promise<RetryEntry | null> {
  const columns = retryColumns.split(', ').map((column) => `entry.${column}`);
  const entries = await readEntries(database, {
    // First where it lies, from the index of keys alone; SQLite would otherwise read every entry of the subscription.
    sql: `SELECT ${columns.join(', ')} FROM (
        SELECT shard, MIN(log_offset) AS log_offset FROM halfbox_retry
        WHERE topic = ? AND consumer_group = ? AND key_hash = ? GROUP BY shard) lowest
      CROSS JOIN halfbox_retry entry ON entry.topic = ? AND entry.consumer_group = ?
        AND entry.shard = lowest.shard AND entry.log_offset = lowest.log_offset`,
    params: [topic, group, keyHash, topic, group],
  });
  return entries[0] ?? null;
}

async function readEntries(database: SqlDatabase, statement: Statement): Promise<RetryEntry[]> {
  const [found] = await database.read(statement);
  return (found?.rows ?? []).map(retryEntryOf);
}
