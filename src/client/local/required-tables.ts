import type { DataSource } from 'typeorm';
import { HalfboxError } from '../errors.js';
import { isMissingTable } from './database-errors.js';
import { tableName } from './dialect.js';
import { OwnStatements } from './own-statements.js';

/** Tables of Halfbox are not in the application's database. */
export class TablesMissing extends HalfboxError {
  readonly code = 'tables-missing';

  constructor(
    readonly tables: readonly string[],
    dialect: string,
    cause?: unknown,
  ) {
    super(
      `the application's database has no ${tables.join(', ')}: add the migration HalfboxClientTables1700000000101 to its ` +
        `DataSource, or run what \`halfbox client-sql --dialect ${dialect}\` prints`,
      { cause },
    );
  }
}

/**
 * Resolves when the tables are there (`halfbox_fence`, `halfbox_outbox`, …).
 * @throws TablesMissing that names those that are not; or the database's error, when that cannot be told now
 */
export async function requireTables(dataSource: DataSource, tables: readonly string[]): Promise<void> {
  const statements = new OwnStatements(dataSource);
  const missing: string[] = [];
  let cause: unknown;
  for (const table of tables) {
    try {
      await statements.run(`SELECT 1 AS found FROM ${tableName(dataSource, table)} WHERE 1 = 0`);
    } catch (error) {
      if (!isMissingTable(statements.dialect, error)) throw error;
      missing.push(table);
      cause = error;
    }
  }
  if (missing.length > 0) throw new TablesMissing(missing, statements.dialect, cause);
}
