import { reached } from '../../message/step.js';
import type { SqlResult, SqlSession, Statement } from '../sql/database.js';
import type { MysqlConnection } from './mysql-connection.js';
import { isMysqlDuplicate } from './mysql-errors.js';

const begin: Statement = { sql: 'BEGIN' };
const commit: Statement = { sql: 'COMMIT' };
const rollback: Statement = { sql: 'ROLLBACK' };

/** One transaction. BEGIN travels with the first statements, COMMIT with those of `finish`. */
export class MysqlSession implements SqlSession {
  statements = 0;
  /** The error that ended the transaction, even where the work went on after it. A duplicate key ends nothing. */
  failure: unknown;
  private state: 'new' | 'open' | 'ended' = 'new';

  constructor(private readonly connection: MysqlConnection) {}

  run(...statements: Statement[]): Promise<SqlResult[]> {
    return this.send(statements, false);
  }

  finish(...statements: Statement[]): Promise<SqlResult[]> {
    return this.send(statements, true);
  }

  /** Commits what is open; nothing to do after `finish`. */
  async commit(): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    if (this.state !== 'ended') await this.send([], true);
  }

  /** Undoes what is open. When it throws, the connection must be destroyed. */
  async rollback(): Promise<void> {
    const wasOpen = this.state === 'open';
    this.state = 'ended';
    if (wasOpen) await this.connection.send([rollback]);
  }

  private async send(statements: Statement[], commits: boolean): Promise<SqlResult[]> {
    if (this.failure !== undefined) throw this.failure;
    if (this.state === 'ended') throw new Error('the database transaction has ended');
    const isFirst = this.state === 'new';
    if (isFirst && commits && statements.length <= 1) return this.sendAlone(statements);
    if (statements.length === 0 && !commits) return [];
    this.state = 'open';
    const sent = [...(isFirst ? [begin] : []), ...statements, ...(commits ? [commit] : [])];
    const results = await this.tried(sent, commits);
    if (commits) this.state = 'ended';
    else reached('store.transaction.open');
    return results.slice(isFirst ? 1 : 0, (isFirst ? 1 : 0) + statements.length);
  }

  /** One statement that is the whole transaction commits by itself. */
  private async sendAlone(statements: Statement[]): Promise<SqlResult[]> {
    this.state = 'ended';
    return statements.length === 0 ? [] : this.tried(statements, true);
  }

  private async tried(statements: Statement[], commits: boolean): Promise<SqlResult[]> {
    this.statements += statements.length;
    try {
      if (commits) reached('store.commit.before-send');
      const answered = this.connection.send(statements);
      if (commits) reached('store.commit.on-the-wire');
      const results = await answered;
      if (commits) reached('store.commit.after');
      return results;
    } catch (error) {
      if (!isMysqlDuplicate(error)) this.failure = error;
      throw error;
    }
  }
}
