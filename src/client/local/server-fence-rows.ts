import type { DataSource, QueryRunner } from 'typeorm';
import { databaseNow, dialectOf, inDialect, tableName, type Dialect } from './dialect.js';
import { lockWaitMs, type FenceRows, type Outcome } from './fence-rows.js';
import { within } from './in-hand.js';
import { ownDataSource } from './own-data-source.js';
import { discardConnection, takeRunner, type InTime } from './pooled-runner.js';

/** A check takes a connection only while it runs. */
const poolSize = 2;
/** Below the time that a broker waits for an answer. */
const callMsMax = 4_000;

/** Statements that bound a wait for locks on this connection, or in this transaction. */
const boundLockWait: Readonly<Record<'mysql' | 'postgres', string>> = {
  mysql: `SET SESSION innodb_lock_wait_timeout = ${lockWaitMs / 1_000}`,
  postgres: `SET LOCAL lock_timeout = '${lockWaitMs}ms'`,
};

/** The fence's rows in MySQL, MariaDB or PostgreSQL, over a pool of two connections of its own. */
export class ServerFenceRows implements FenceRows {
  readonly #dialect: Exclude<Dialect, 'sqlite'>;
  readonly #table: string;
  #opening: Promise<DataSource> | undefined;

  constructor(private readonly application: DataSource) {
    const dialect = dialectOf(application);
    if (dialect === 'sqlite') throw new TypeError('SQLite has no server');
    this.#dialect = dialect;
    this.#table = tableName(application, 'halfbox_fence');
  }

  read(transactionId: string): Promise<Outcome | undefined> {
    return this.#with((runner) => this.#read(runner, transactionId));
  }

  settle(transactionId: string): Promise<Outcome> {
    return this.#with((runner) =>
      this.#inTransaction(runner, async () => {
        await this.#query(runner, this.#insert(), [transactionId]);
        // Its affected rows say nothing that can be relied on; a new statement sees what was committed meanwhile.
        const outcome = await this.#read(runner, transactionId);
        if (outcome === undefined) throw new Error(`the row of ${transactionId} is gone`);
        return outcome;
      }),
    );
  }

  purge(keptMs: number, max: number): Promise<number> {
    const now = databaseNow[this.#dialect];
    return this.#with((runner) =>
      this.#inTransaction(runner, async () => {
        const old = `SELECT transaction_id AS id FROM ${this.#table} WHERE created_at < ${now} - ? ORDER BY created_at LIMIT ?`;
        const ids = (await this.#query<{ id: string }>(runner, old, [keptMs, max])).map(({ id }) => id);
        if (ids.length === 0) return 0;
        // In one order everywhere: instances that purge at once wait for each other instead of deadlocking.
        const places = ids.map(() => '?').join(', ');
        await this.#query(runner, `DELETE FROM ${this.#table} WHERE transaction_id IN (${places})`, ids.sort());
        return ids.length;
      }),
    );
  }

  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    // Whoever opened it was told why it could not be: there is nothing to close.
    const dataSource = await opening?.catch(() => undefined);
    await dataSource?.destroy();
  }

  #insert(): string {
    const columns = '(transaction_id, outcome, created_at)';
    const values = `VALUES (?, 'rolled_back', ${databaseNow[this.#dialect]})`;
    return this.#dialect === 'mysql'
      ? `INSERT IGNORE INTO ${this.#table} ${columns} ${values}`
      : `INSERT INTO ${this.#table} ${columns} ${values} ON CONFLICT (transaction_id) DO NOTHING`;
  }

  async #read(runner: QueryRunner, transactionId: string): Promise<Outcome | undefined> {
    const select = `SELECT outcome FROM ${this.#table} WHERE transaction_id = ?`;
    const [row] = await this.#query<{ outcome: Outcome }>(runner, select, [transactionId]);
    return row?.outcome;
  }

  async #query<Row>(runner: QueryRunner, sql: string, params: unknown[]): Promise<Row[]> {
    return (await runner.query(inDialect(this.#dialect, sql), params)) as Row[];
  }

  async #inTransaction<Result>(runner: QueryRunner, work: () => Promise<Result>): Promise<Result> {
    if (this.#dialect === 'mysql') await runner.query(boundLockWait.mysql);
    await runner.startTransaction('READ COMMITTED');
    if (this.#dialect === 'postgres') await runner.query(boundLockWait.postgres);
    const result = await work();
    await runner.commitTransaction();
    return result;
  }

  /** After an error the connection is closed, whatever state it is in. */
  async #with<Result>(work: (runner: QueryRunner) => Promise<Result>): Promise<Result> {
    const deadline = performance.now() + callMsMax;
    const inTime: InTime = (under) =>
      within(deadline - performance.now(), under, () => new Error(`no answer within ${callMsMax} ms`));
    const runner = await takeRunner(await inTime(this.#open()), inTime);
    try {
      const result = await inTime(work(runner));
      await runner.release();
      return result;
    } catch (error) {
      await discardConnection(runner);
      throw error;
    }
  }

  #open(): Promise<DataSource> {
    const opening = (this.#opening ??= ownDataSource(this.application, { poolSize }).initialize());
    opening.catch(() => {
      if (this.#opening === opening) this.#opening = undefined;
    });
    return opening;
  }
}
