import { AsyncLocalStorage } from 'node:async_hooks';
import type { DataSource, QueryRunner } from 'typeorm';
import { NestedLocalTransaction } from '../errors.js';
import { mysqlTransactionEnd } from './database-errors.js';
import { dialectOf } from './dialect.js';

const current = new AsyncLocalStorage<OpenWork>();
const beyond = new AsyncLocalStorage<true>();
/** The runner whose statement is under way here: what TypeORM's subscribers send meanwhile is part of it. */
const inStatement = new AsyncLocalStorage<QueryRunner>();

/** The work of one local transaction, while it may write. Its asynchronous context tells what belongs to it. */
export class OpenWork {
  #isOpen = true;
  #isRunning = false;
  #endedBy: unknown;
  #around: OpenWork | undefined;

  /** @throws NestedLocalTransaction: a second connection, taken while one is held, empties a pool and then waits for ever */
  constructor(private readonly dataSource: DataSource) {
    this.#around = current.getStore();
    if (isInOpenWork(dataSource)) throw new NestedLocalTransaction();
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#isRunning = true;
    try {
      return await current.run(this, work);
    } finally {
      this.#isRunning = false;
    }
  }

  /** Why the database has ended the transaction by itself, an error that the work may have swallowed; else undefined. */
  get endedBy(): unknown {
    return this.#endedBy;
  }

  /**
   * Makes statements fail that anybody sends on its connection after its end, but {@link beyondWork}: they would end in the
   * COMMIT, or break it.
   * And those after the database has ended the transaction: MySQL would commit each of them by itself. So there each
   * waits for the one before it, else a driver would have sent it already.
   */
  guard(runner: QueryRunner): void {
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    const dialect = dialectOf(this.dataSource);
    let last: Promise<unknown> = Promise.resolve();
    const queryInWork = async (...args: unknown[]): Promise<unknown> => {
      if (!this.#isOpen && beyond.getStore() === undefined) {
        throw new Error('the work of this local transaction has ended: await everything that it does');
      }
      if (dialect !== 'mysql' || !this.#isRunning || inStatement.getStore() === runner) return query(...args);
      const statement = last.then(() => inStatement.run(runner, () => this.#send(query, args)));
      last = statement.catch(() => undefined);
      return statement;
    };
    runner.query = queryInWork as typeof runner.query;
  }

  async #send(query: (...args: unknown[]) => Promise<unknown>, args: unknown[]): Promise<unknown> {
    if (this.#endedBy !== undefined) throw this.#endedBy;
    try {
      return await query(...args);
    } catch (error) {
      const end = mysqlTransactionEnd(error);
      if (end === 'ended' || (end === 'by-setting' && (await endsByTimeout(query)))) this.#endedBy ??= error;
      throw error;
    }
  }

  /** From now on what still runs of it does not belong to it. */
  close(): void {
    this.#isOpen = false;
    this.#around = undefined;
  }

  static isOpen(work: OpenWork | undefined, dataSource: DataSource): boolean {
    for (let each = work; each !== undefined; each = each.#around) {
      if (each.#isOpen && each.dataSource === dataSource) return true;
    }
    return false;
  }
}

/** Whether the server ends a transaction of which one statement has waited too long for a lock. Where it does not say: yes. */
async function endsByTimeout(query: (...args: unknown[]) => Promise<unknown>): Promise<boolean> {
  try {
    const [row] = (await query('SELECT @@innodb_rollback_on_timeout AS ends')) as { ends: unknown }[];
    return Number(row?.ends) !== 0;
  } catch {
    return true;
  }
}

/** Does what belongs to the end of a local transaction, after its work has ended. */
export function beyondWork<Result>(act: () => Promise<Result>): Promise<Result> {
  return beyond.run(true, act);
}

/** Whether the caller is (part of) the work of a local transaction on this database that is still open. */
export function isInOpenWork(dataSource: DataSource): boolean {
  return OpenWork.isOpen(current.getStore(), dataSource);
}
