import type { DataSource } from 'typeorm';
import { Problem } from '../../message/problem.js';
import type { DurabilityReport } from '../message-store.js';
import type { SqlDatabase, SqlResult, SqlSession, Statement, StatementObserver } from '../sql/database.js';
import type { FileLock } from './file-lock.js';
import { LibsqlConnection } from './libsql-connection.js';
import { sqliteDialect } from './sqlite-dialect.js';
import { readSqliteDurability } from './sqlite-durability.js';
import { isSqliteDuplicate, sqliteProblem } from './sqlite-errors.js';
import { SqliteSession } from './sqlite-session.js';
import { WriteQueue } from './write-queue.js';

/** The open parts of one SQLite file. */
export interface SqliteParts {
  path: string;
  writer: DataSource;
  reader: DataSource;
  lock: FileLock;
}

/** SQLite's own bounds leave more room; this keeps one statement's work short, since it blocks the process. */
const statementBytesMax = 32 * 1024 * 1024;

/**
 * One SQLite file, written through one connection (a FIFO queue of transactions) and read through a second one that
 * cannot write. A COMMIT returns after its log is on disk.
 */
export class SqliteDatabase implements SqlDatabase {
  readonly dialect = sqliteDialect;
  readonly statementBytesMax = statementBytesMax;
  readonly description: string;
  private readonly writer: LibsqlConnection;
  private readonly reader: LibsqlConnection;
  private readonly queue: WriteQueue;
  private readonly onStatement: StatementObserver | undefined;
  private refusal: Problem | undefined;

  constructor(
    private readonly parts: SqliteParts,
    options: { transactionsWaitingMax: number; onStatement?: StatementObserver | undefined },
  ) {
    this.writer = new LibsqlConnection(parts.writer);
    this.reader = new LibsqlConnection(parts.reader);
    this.queue = new WriteQueue(options.transactionsWaitingMax);
    this.onStatement = options.onStatement;
    const version = String(this.reader.run({ sql: 'SELECT sqlite_version() AS version' }).rows[0]?.['version']);
    this.description = `SQLite ${version} at ${parts.path}`;
  }

  async read(...statements: Statement[]): Promise<SqlResult[]> {
    if (this.refusal) throw this.refusal;
    const startedAt = performance.now();
    try {
      return statements.map((statement) => this.reader.run(statement));
    } catch (error) {
      throw sqliteProblem(error);
    } finally {
      this.onStatement?.('read', performance.now() - startedAt, statements.length);
    }
  }

  async transaction<T>(work: (session: SqlSession) => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    let statements = 0;
    try {
      return await this.queue.run(async () => {
        const session = new SqliteSession(this.writer);
        try {
          return await this.runWork(session, work);
        } finally {
          statements = session.statements;
        }
      });
    } finally {
      this.onStatement?.('transaction', performance.now() - startedAt, statements);
    }
  }

  isDuplicate(error: unknown): boolean {
    return isSqliteDuplicate(error);
  }

  /** The file is used by this process alone, so its clock is the store's. */
  now(): Promise<number> {
    return Promise.resolve(Date.now());
  }

  async durability(): Promise<DurabilityReport> {
    if (this.refusal) throw this.refusal;
    return readSqliteDurability(this.writer);
  }

  async close(): Promise<void> {
    this.refusal ??= new Problem('unavailable', 'the store is closed');
    await this.queue.drained();
    if (!this.parts.writer.isInitialized) return;
    await this.parts.reader.destroy();
    await this.parts.writer.destroy();
    this.parts.lock.release();
  }

  private async runWork<T>(session: SqliteSession, work: (session: SqlSession) => Promise<T>): Promise<T> {
    if (this.refusal) throw this.refusal;
    try {
      const result = await work(session);
      session.commit();
      return result;
    } catch (error) {
      this.rollback(session);
      throw sqliteProblem(error);
    }
  }

  /** A connection that cannot even roll back must not be written again: its next COMMIT would take half-done work with it. */
  private rollback(session: SqliteSession): void {
    try {
      session.rollback();
    } catch (cause) {
      this.refusal = new Problem('unavailable', 'the SQLite file failed in the middle of a write; restart the broker', {
        cause,
      });
    }
  }
}
