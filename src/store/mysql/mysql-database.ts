import { setTimeout as delay } from 'node:timers/promises';
import type { Pool, PoolConnection } from 'mysql2';
import type { DataSource } from 'typeorm';
import { Problem } from '../../message/problem.js';
import type { DurabilityReport } from '../message-store.js';
import type { SqlDatabase, SqlDialect, SqlResult, SqlSession, Statement, StatementObserver } from '../sql/database.js';
import { ConnectionSlots } from './connection-slots.js';
import { MysqlConnection } from './mysql-connection.js';
import { mysqlDialect } from './mysql-dialect.js';
import { readMysqlDurability } from './mysql-durability.js';
import {
  connectProblem,
  isMysqlDuplicate,
  isMysqlRetryable,
  isMysqlUnavailable,
  mysqlProblem,
} from './mysql-errors.js';
import type { MysqlServer } from './mysql-server.js';
import { MysqlSession } from './mysql-session.js';

export interface MysqlDatabaseOptions {
  poolSize: number;
  transactionsWaitingMax: number;
  /** How long a caller may wait for a connection. */
  waitMsMax: number;
  /** How long the server may take to answer one packet. */
  statementTimeoutMs: number;
  onStatement?: StatementObserver | undefined;
}

/** Runs of one transaction after the first, and how long to wait before each (doubling, half of it at random). */
const retriesMax = 10;
const retryDelayMsFirst = 5;
const retryDelayMsMax = 250;

/** Room of a statement beside one body that is as large as its bound: escaped headers, keys and the statement's own text. */
const besideBodyBytes = 128 * 1024;

const nowStatement: Statement = { sql: 'SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) AS now_ms' };

/** A MySQL or MariaDB server behind a bounded pool; each `run` is one round trip. */
export class MysqlDatabase implements SqlDatabase {
  readonly dialect: SqlDialect;
  readonly statementBytesMax: number;
  readonly description: string;
  private readonly pool: Pool;
  private readonly slots: ConnectionSlots;
  private closed = false;

  constructor(
    private readonly dataSource: DataSource,
    private readonly server: MysqlServer,
    private readonly options: MysqlDatabaseOptions,
  ) {
    this.dialect = mysqlDialect(server.kind);
    this.statementBytesMax = Math.floor(server.packetBytesMax / 2) - besideBodyBytes;
    this.description = server.description;
    // The pool that TypeORM's driver made: queries of the hot path go to it directly.
    this.pool = (dataSource.driver as unknown as { pool: Pool }).pool;
    this.slots = new ConnectionSlots(options.poolSize, options.transactionsWaitingMax, options.waitMsMax);
  }

  async read(...statements: Statement[]): Promise<SqlResult[]> {
    const startedAt = performance.now();
    try {
      return await this.withConnection(async (connection) => {
        try {
          const results = await connection.send(statements);
          connection.release();
          return results;
        } catch (error) {
          if (isMysqlUnavailable(error)) connection.destroy();
          else connection.release();
          throw mysqlProblem(error);
        }
      });
    } finally {
      this.options.onStatement?.('read', performance.now() - startedAt, statements.length);
    }
  }

  async transaction<T>(work: (session: SqlSession) => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    let statements = 0;
    try {
      for (let retry = 0; ; retry += 1) {
        try {
          return await this.withConnection((connection) => {
            const session = new MysqlSession(connection);
            return this.runWork(connection, session, work).finally(() => (statements += session.statements));
          });
        } catch (error) {
          if (!isMysqlRetryable(error) || retry === retriesMax) throw mysqlProblem(error);
        }
        await delay(retryDelayMs(retry));
      }
    } finally {
      this.options.onStatement?.('transaction', performance.now() - startedAt, statements);
    }
  }

  isDuplicate(error: unknown): boolean {
    return isMysqlDuplicate(error);
  }

  async now(): Promise<number> {
    const [result] = await this.read(nowStatement);
    return Number(result?.rows[0]?.['now_ms']);
  }

  durability(): Promise<DurabilityReport> {
    return readMysqlDurability(this);
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.slots.drained();
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  private async withConnection<T>(use: (connection: MysqlConnection) => Promise<T>): Promise<T> {
    await this.slots.take();
    try {
      if (this.closed) throw new Problem('unavailable', 'the store is closed');
      return await use(await this.connect());
    } finally {
      this.slots.release();
    }
  }

  private connect(): Promise<MysqlConnection> {
    return new Promise((resolve, reject) => {
      this.pool.getConnection((error: Error | null, connection: PoolConnection) => {
        if (error) return reject(connectProblem(error));
        resolve(new MysqlConnection(connection, this.server.packetBytesMax, this.options.statementTimeoutMs));
      });
    });
  }

  private async runWork<T>(
    connection: MysqlConnection,
    session: MysqlSession,
    work: (session: SqlSession) => Promise<T>,
  ): Promise<T> {
    try {
      const result = await work(session);
      await session.commit();
      connection.release();
      return result;
    } catch (error) {
      const reason: unknown = session.failure ?? error;
      await giveBack(connection, session, reason);
      throw reason;
    }
  }
}

/** A connection goes back to the pool only when it is surely in no transaction. */
async function giveBack(connection: MysqlConnection, session: MysqlSession, reason: unknown): Promise<void> {
  if (isMysqlUnavailable(reason)) return connection.destroy();
  try {
    await session.rollback();
    connection.release();
  } catch {
    // The server rolls back what a lost connection left open; the caller is given the first error.
    connection.destroy();
  }
}

function retryDelayMs(retry: number): number {
  const delayMs = Math.min(retryDelayMsFirst * 2 ** retry, retryDelayMsMax);
  return delayMs * (0.5 + Math.random() / 2);
}
