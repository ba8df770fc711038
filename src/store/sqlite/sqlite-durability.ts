import type { DurabilityReport } from '../message-store.js';
import type { LibsqlConnection } from './libsql-connection.js';

const synchronousNames = ['OFF', 'NORMAL', 'FULL', 'EXTRA'];

/** Reads what SQLite does at a COMMIT: from `synchronous=FULL` on, the write-ahead log is flushed before it returns. */
export function readSqliteDurability(connection: LibsqlConnection): DurabilityReport {
  const row = connection.run({ sql: 'PRAGMA synchronous' }).rows[0];
  const level = Number(row?.['synchronous'] ?? 0);
  if (level >= 2) return { actual: 'flushed', weakenedBy: [] };
  return { actual: 'relaxed', weakenedBy: [`synchronous=${synchronousNames[level] ?? String(level)}`] };
}
