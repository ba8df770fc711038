import { listPlaceholders, type Statement } from './database.js';

/** Ids of one DELETE at most. */
const idsMax = 500;

/** Deletes rows by their id, in id order so that two callers do not deadlock. */
export function deleteIds(
  table: 'halfbox_dead_letter' | 'halfbox_message' | 'halfbox_transaction',
  ids: string[],
): Statement[] {
  const sorted = [...ids].sort();
  const statements: Statement[] = [];
  for (let start = 0; start < sorted.length; start += idsMax) {
    const batch = sorted.slice(start, start + idsMax);
    statements.push({ sql: `DELETE FROM ${table} WHERE id IN (${listPlaceholders(batch.length)})`, params: batch });
  }
  return statements;
}
