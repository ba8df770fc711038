import { reached } from '../../message/step.js';
import type { SqlResult, SqlSession, Statement } from '../sql/database.js';
import type { LibsqlConnection } from './libsql-connection.js';

/** One transaction on the writing connection. BEGIN IMMEDIATE comes with the first statement. */
export class SqliteSession implements SqlSession {
  statements = 0;
  private state: 'new' | 'open' | 'ended' = 'new';

  constructor(private readonly connection: LibsqlConnection) {}

  async run(...statements: Statement[]): Promise<SqlResult[]> {
    const results = this.runNow(statements);
    reached('store.transaction.open');
    return results;
  }

  async finish(...statements: Statement[]): Promise<SqlResult[]> {
    const results = this.runNow(statements);
    this.commit();
    return results;
  }

  /** Commits what is open; nothing to do after `finish`. */
  commit(): void {
    const commits = this.state === 'open';
    if (commits) {
      reached('store.commit.before-send');
      this.connection.execute('COMMIT');
    }
    this.state = 'ended';
    if (commits) reached('store.commit.after');
  }

  /** Undoes what is open, also where SQLite has already done so by itself (a full disk). */
  rollback(): void {
    this.state = 'ended';
    if (this.connection.inTransaction) this.connection.execute('ROLLBACK');
  }

  private runNow(statements: Statement[]): SqlResult[] {
    if (this.state === 'ended') throw new Error('the database transaction has ended');
    if (this.state === 'new') {
      this.connection.execute('BEGIN IMMEDIATE');
      this.state = 'open';
    }
    this.statements += statements.length;
    return statements.map((statement) => this.connection.run(statement));
  }
}
