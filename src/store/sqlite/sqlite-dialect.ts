import type { SqlDialect } from '../sql/database.js';

/** SQLite: one writer at a time, so that reads of a transaction need no lock. */
export const sqliteDialect: SqlDialect = {
  name: 'sqlite',
  forUpdate: '',
  byPrimaryKey: '',
  // A statement costs no round trip, and is prepared once for all numbers of lanes.
  lanesTogetherMin: Infinity,
  onConflictUpdate(keyColumns, columns) {
    const assignments = columns.map((column) => `${column} = excluded.${column}`);
    return ` ON CONFLICT (${keyColumns.join(', ')}) DO UPDATE SET ${assignments.join(', ')}`;
  },
  onConflictKeep(keyColumns) {
    return ` ON CONFLICT (${keyColumns.join(', ')}) DO NOTHING`;
  },
};
