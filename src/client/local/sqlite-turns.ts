import type { DataSource, QueryRunner } from 'typeorm';
import { NestedLocalTransaction } from '../errors.js';
import { isInOpenWork } from './open-work.js';
import type { InTime } from './pooled-runner.js';

/** How often it is looked whether a transaction of the application has ended. TypeORM does not tell. */
const lookMs = 2;

/**
 * Turns on the one connection that a SQLite DataSource has. TypeORM lets all callers share it, so that statements of others
 * land in whatever transaction is open and are lost with it, or roll part of it back. While a local transaction has its turn,
 * everything else on the connection waits, in the order of coming. The local transaction has a QueryRunner of its own.
 */
export class SqliteTurns {
  static readonly #all = new WeakMap<DataSource, SqliteTurns>();

  readonly #guarded = new WeakSet<QueryRunner>();
  readonly #waiting: (() => void)[] = [];
  /** Somebody's turn has come: a local transaction's, or a statement's that had to wait. */
  #isTaken = false;
  /** The local transaction that has the connection for itself. */
  #holder: QueryRunner | undefined;

  private constructor(private readonly dataSource: DataSource) {}

  /** The same one for everybody who uses the DataSource. */
  static of(dataSource: DataSource): SqliteTurns {
    let turns = this.#all.get(dataSource);
    if (turns === undefined) this.#all.set(dataSource, (turns = new SqliteTurns(dataSource)));
    return turns;
  }

  /**
   * Waits for a turn, and then for the end of the transaction that the application itself has open.
   * @param inTime rejects when it has taken too long; the turn is then passed on
   * @returns a QueryRunner on the same connection, to be given to {@link end}
   */
  async take(inTime: InTime): Promise<QueryRunner> {
    const shared = this.dataSource.createQueryRunner();
    this.#guard(shared);
    let isLate = false;
    const turn = this.#next().then(async () => {
      try {
        while (shared.isTransactionActive && !isLate) await new Promise((resolve) => setTimeout(resolve, lookMs));
        // In one go with the look, so that nobody begins a transaction in between.
        this.#holder = this.#ownRunner(shared);
        return this.#holder;
      } catch (error) {
        this.#pass();
        throw error;
      }
    });
    try {
      return await inTime(turn);
    } catch (error) {
      isLate = true;
      turn.then(
        (runner) => this.end(runner),
        () => undefined,
      );
      throw error;
    }
  }

  /** Ends the turn. The runner's later statements fail. */
  end(runner: QueryRunner): void {
    if (this.#holder !== runner) return;
    (runner as { isReleased: boolean }).isReleased = true;
    this.#holder = undefined;
    this.#pass();
  }

  /** The driver makes one runner and keeps it; it makes another one when it has none. */
  #ownRunner(shared: QueryRunner): QueryRunner {
    const driver = this.dataSource.driver as unknown as { queryRunner: QueryRunner | undefined };
    driver.queryRunner = undefined;
    try {
      return this.dataSource.createQueryRunner();
    } finally {
      driver.queryRunner = shared;
    }
  }

  /** Makes the statements of everybody else wait for their turn. */
  #guard(shared: QueryRunner): void {
    if (this.#guarded.has(shared)) return;
    this.#guarded.add(shared);
    const query = shared.query.bind(shared) as (...args: unknown[]) => Promise<unknown>;
    const startTransaction = shared.startTransaction.bind(shared);
    const queryInTurn = async (...args: unknown[]): Promise<unknown> => {
      // The work itself, through a repository of the DataSource: waiting for its own end would be for ever.
      return isInOpenWork(this.dataSource) ? query(...args) : this.#inTurn(() => query(...args));
    };
    shared.query = queryInTurn as typeof shared.query;
    shared.startTransaction = async (isolation) => {
      if (isInOpenWork(this.dataSource)) throw new NestedLocalTransaction();
      return this.#inTurn(() => startTransaction(isolation));
    };
  }

  /** Does what others want with the connection: at once while no local transaction holds it. */
  async #inTurn<Result>(act: () => Promise<Result>): Promise<Result> {
    if (this.#holder === undefined) return act();
    await this.#next();
    try {
      return await act();
    } finally {
      this.#pass();
    }
  }

  #next(): Promise<void> {
    if (this.#isTaken) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#isTaken = true;
    return Promise.resolve();
  }

  #pass(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#isTaken = false;
  }
}
