import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import type { LocalTransactionOptions } from '../producer/local-transactions.js';
import { dialectOf } from './dialect.js';
import { discardConnection, takeRunner, type InTime } from './pooled-runner.js';
import { SqliteTurns } from './sqlite-turns.js';

/** Of a local transaction. Undefined: the database's. */
export type Isolation = LocalTransactionOptions['isolation'];

/** The one connection of one local transaction. */
export interface LocalConnection {
  readonly runner: QueryRunner;
  readonly manager: EntityManager;
  /** @param isolation default: the database's. SQLite is always serializable. */
  begin(isolation?: Isolation): Promise<void>;
  /** When it rejects nobody knows whether the database committed. */
  commit(): Promise<void>;
  /** Resolves when the database has confirmed that nothing is committed. */
  rollback(): Promise<void>;
  /** Gives the connection back, after its transaction has ended. Statements of the work that come later fail. */
  release(): Promise<void>;
  /**
   * Throws the connection away, with a statement that may still run on it. What was not committed is rolled back, at once
   * or when the database notices. Statements of the work that come later fail. Answers whether it is certain by now that
   * nothing is or will be committed.
   */
  discard(): Promise<boolean>;
}

/**
 * Takes a connection to the primary out of the DataSource's pool; on SQLite, whose DataSource has only one, a turn on it.
 * Rejects when none becomes free in time, and then leaves nothing behind.
 */
export async function openLocalConnection(dataSource: DataSource, inTime: InTime): Promise<LocalConnection> {
  if (dialectOf(dataSource) === 'sqlite') {
    const turns = SqliteTurns.of(dataSource);
    return new SqliteConnection(turns, await turns.take(inTime));
  }
  return new PooledConnection(await takeRunner(dataSource, inTime));
}

class PooledConnection implements LocalConnection {
  constructor(readonly runner: QueryRunner) {}

  get manager(): EntityManager {
    return this.runner.manager;
  }

  begin(isolation?: Isolation): Promise<void> {
    return this.runner.startTransaction(isolation);
  }

  commit(): Promise<void> {
    return this.runner.commitTransaction();
  }

  rollback(): Promise<void> {
    return this.runner.rollbackTransaction();
  }

  release(): Promise<void> {
    return this.runner.release();
  }

  /** The server may not have noticed yet, so that nothing is certain. */
  async discard(): Promise<boolean> {
    await discardConnection(this.runner);
    return false;
  }
}

class SqliteConnection implements LocalConnection {
  constructor(
    private readonly turns: SqliteTurns,
    readonly runner: QueryRunner,
  ) {}

  get manager(): EntityManager {
    return this.runner.manager;
  }

  begin(): Promise<void> {
    return this.runner.startTransaction();
  }

  commit(): Promise<void> {
    return this.runner.commitTransaction();
  }

  rollback(): Promise<void> {
    return this.runner.rollbackTransaction();
  }

  async release(): Promise<void> {
    this.turns.end(this.runner);
  }

  /** Statements of SQLite have ended when they are answered, so that a rollback that went well is certain. */
  async discard(): Promise<boolean> {
    let isCertain = true;
    try {
      if (this.runner.isTransactionActive) await this.runner.query('ROLLBACK');
    } catch {
      isCertain = false;
    }
    this.turns.end(this.runner);
    return isCertain;
  }
}
