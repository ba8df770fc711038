import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import type { LocalTransactionOptions } from '../producer/local-transactions.js';
import { dialectOf } from './dialect.js';
import { discardConnection, takeRunner, type InTime } from './pooled-runner.js';
import { beyondWork } from './open-work.js';
import { SqliteTurns } from './sqlite-turns.js';
import { TransactionEnd } from './transaction-end.js';

/** Of a local transaction. Undefined: the database's. */
export type Isolation = LocalTransactionOptions['isolation'];

/** The one connection of one local transaction. */
export interface LocalConnection {
  readonly runner: QueryRunner;
  readonly manager: EntityManager;
  /** @param isolation default: the database's. SQLite is always serializable. */
  begin(isolation?: Isolation): Promise<void>;
  /**
   * When it rejects nobody knows whether the database committed, unless {@link mayBeCommitted} is false.
   * @param lastly done just before the COMMIT, after what subscribers do before it; when it rejects there is no COMMIT
   * @throws WorkUnfinished when a transaction that was begun within it is open
   */
  commit(lastly: () => Promise<void>): Promise<void>;
  /** Whether the COMMIT was sent, or somebody else has ended the transaction. */
  readonly mayBeCommitted: boolean;
  /** Resolves when the database has confirmed the ROLLBACK, of all transactions that were begun within it too. */
  rollback(): Promise<void>;
  /** Whether {@link rollback} rejects after the work has ended the transaction by a statement, instead of doing nothing. */
  readonly needsTransactionToRollBack: boolean;
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

abstract class TransactionConnection {
  readonly #end: TransactionEnd;

  constructor(readonly runner: QueryRunner) {
    this.#end = new TransactionEnd(runner);
  }

  get manager(): EntityManager {
    return this.runner.manager;
  }

  get mayBeCommitted(): boolean {
    return this.#end.mayBeCommitted;
  }

  commit(lastly: () => Promise<void>): Promise<void> {
    return beyondWork(() => this.#end.commit(lastly));
  }

  rollback(): Promise<void> {
    return beyondWork(() => this.#end.rollback());
  }
}

class PooledConnection extends TransactionConnection implements LocalConnection {
  readonly needsTransactionToRollBack = false;

  begin(isolation?: Isolation): Promise<void> {
    return this.runner.startTransaction(isolation);
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

class SqliteConnection extends TransactionConnection implements LocalConnection {
  readonly needsTransactionToRollBack = true;

  #hasBegun = false;

  constructor(
    private readonly turns: SqliteTurns,
    runner: QueryRunner,
  ) {
    super(runner);
  }

  /**
   * With the lock to write from the start, by a statement that does not outlive a busy file: with libsql a prepared one stays
   * half done until it is collected, and its connection cannot commit meanwhile.
   */
  async begin(): Promise<void> {
    const { runner } = this;
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    const { databaseConnection } = runner.dataSource.driver as unknown as {
      databaseConnection: { exec(sql: string): void };
    };
    const queryToBegin = async (...args: unknown[]): Promise<unknown> => {
      // The driver's refusal of a runner that was given up meanwhile counts here too.
      if (args[0] !== 'BEGIN TRANSACTION' || runner.isReleased) return query(...args);
      databaseConnection.exec('BEGIN IMMEDIATE');
      this.#hasBegun = true;
      return undefined;
    };
    runner.query = queryToBegin as typeof runner.query;
    try {
      await runner.startTransaction();
    } finally {
      runner.query = query as typeof runner.query;
    }
  }

  override async rollback(): Promise<void> {
    if (this.#hasBegun) await super.rollback();
  }

  async release(): Promise<void> {
    this.turns.end(this.runner);
  }

  /** Statements of SQLite have ended when they are answered, so that a rollback that went well is certain. */
  async discard(): Promise<boolean> {
    if (!this.#hasBegun) {
      this.turns.end(this.runner);
      return true;
    }
    // One that the work has ended may be committed.
    let isCertain = this.runner.isTransactionActive;
    try {
      if (isCertain) await beyondWork(() => this.runner.query('ROLLBACK'));
    } catch {
      isCertain = false;
    }
    this.turns.end(this.runner);
    return isCertain;
  }
}
