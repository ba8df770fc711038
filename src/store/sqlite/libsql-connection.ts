import { LRUCache } from 'lru-cache';
import type { DataSource } from 'typeorm';
import type { SqlResult, SqlRow, Statement } from '../sql/database.js';

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
  run({ sql, params = [] }: Statement): SqlResult {
    const { statement, reader } = this.prepare(sql);
    const values = params.map((value) => value ?? null);
    if (!reader) return { rows: [], affectedRows: statement.run(values).changes };
    const rows = statement.all(values);
    return { rows, affectedRows: rows.length };
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
