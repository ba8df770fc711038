import { LRUCache } from 'lru-cache';
import type { DataSource } from 'typeorm';
import { rowPlaceholders, type SqlResult, type SqlRow, type SqlValue, type Statement } from '../sql/database.js';

/** What is used of libsql's handle (the API of better-sqlite3). */
interface LibsqlStatement {
  readonly reader: boolean;
  all(params: unknown[]): SqlRow[];
  run(params: unknown[]): { changes: number };
}

interface LibsqlHandle {
  readonly inTransaction: boolean;
  prepare(sql: string): LibsqlStatement;
  exec(sql: string): void;
}

interface PreparedStatement {
  statement: LibsqlStatement;
  reader: boolean;
}

/** Texts kept prepared on one connection. Multi-row statements have many lengths, hence the bound. */
const preparedMax = 500;

/** One SQLite connection of a TypeORM DataSource, used without TypeORM's cost per query. Every call blocks until it is done. */
export class LibsqlConnection {
  private readonly handle: LibsqlHandle;
  private readonly prepared = new LRUCache<string, PreparedStatement>({ max: preparedMax });

  constructor(dataSource: DataSource) {
    this.handle = (dataSource.driver as unknown as { databaseConnection: LibsqlHandle }).databaseConnection;
  }

  get inTransaction(): boolean {
    return this.handle.inTransaction;
  }

  /** Runs one statement without parameters or rows. */
  execute(sql: string): void {
    this.handle.exec(sql);
  }

  /** Runs one statement; libsql's own error is thrown as it is. */
  run({ sql, params = [], rows }: Statement): SqlResult {
    const values = params.map(bindable);
    if (rows) return this.insertRows(sql, values, rows);
    const { statement, reader } = this.prepare(sql);
    if (!reader) return { rows: [], affectedRows: statement.run(values).changes };
    const found = statement.all(values);
    return { rows: found, affectedRows: found.length };
  }

  /** Row by row: without round trips one prepared row costs less than a long statement that must be compiled. */
  private insertRows(sql: string, values: unknown[], rows: { count: number; end: string }): SqlResult {
    const columns = values.length / rows.count;
    const { statement } = this.prepare(sql + rowPlaceholders(1, columns) + rows.end);
    let affectedRows = 0;
    for (let start = 0; start < values.length; start += columns) {
      affectedRows += statement.run(values.slice(start, start + columns)).changes;
    }
    return { rows: [], affectedRows };
  }

  private prepare(sql: string): PreparedStatement {
    let prepared = this.prepared.get(sql);
    if (!prepared) {
      const statement = this.handle.prepare(sql);
      prepared = { statement, reader: statement.reader };
      this.prepared.set(sql, prepared);
    }
    return prepared;
  }
}

/** libsql cuts a text at its first NUL, so that such a text is kept as its bytes; they are read as the same text. */
function bindable(value: SqlValue): SqlValue {
  if (typeof value === 'string' && value.includes('\0')) return Buffer.from(value);
  return value ?? null;
}
