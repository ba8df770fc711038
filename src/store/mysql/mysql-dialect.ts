import type { SqlDialect } from '../sql/database.js';

/** MySQL and MariaDB, in the words that both (and servers compatible with them) have. */
export function mysqlDialect(name: 'mysql' | 'mariadb'): SqlDialect {
  return {
    name,
    forUpdate: ' FOR UPDATE',
    byPrimaryKey: ' FORCE INDEX (PRIMARY)',
    // Fewer would save less than the COMMIT's round trip of its own costs.
    lanesTogetherMin: 16,
    onConflictUpdate(_keyColumns, columns) {
      const assignments = columns.map((column) => `${column} = VALUES(${column})`);
      return ` ON DUPLICATE KEY UPDATE ${assignments.join(', ')}`;
    },
    onConflictKeep(keyColumns) {
      const column = keyColumns[0];
      if (column === undefined) throw new Error('a conflict needs the key that it is about');
      return ` ON DUPLICATE KEY UPDATE ${column} = ${column}`;
    },
  };
}
