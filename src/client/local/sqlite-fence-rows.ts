import type { DataSource } from 'typeorm';
import { isLockConflict } from './database-errors.js';
import { databaseNow, tableName } from './dialect.js';
import { lockWaitMs, type FenceRows, type Outcome } from './fence-rows.js';
import { ownDataSource } from './own-data-source.js';

/** How often a busy file is tried again. */
const tryMs = 20;

/** What is used of the driver's handle. Its calls block this process until they are done. */
interface Handle {
  readonly inTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): { all(...params: unknown[]): unknown[]; run(...params: unknown[]): { changes: number } };
}

/**
 * The fence's rows in a SQLite file, over a connection of its own. Each call is done without a break, so that no lock is
 * held while others run; a busy file is tried again instead of blocking the process.
 * @throws TypeError for a database in memory, of which a second connection sees nothing
 */
export class SqliteFenceRows implements FenceRows {
  readonly #table: string;
  #opening: Promise<DataSource> | undefined;

  constructor(private readonly application: DataSource) {
    const database = String((application.options as { database?: unknown }).database ?? '');
    if (database === '' || database.includes(':memory:') || database.includes('mode=memory')) {
      throw new TypeError(
        `${database || 'a database without a file'}: the fence needs a file that a second connection can open, such as ./shop.db`,
      );
    }
    this.#table = tableName(application, 'halfbox_fence');
  }

  read(transactionId: string): Promise<Outcome | undefined> {
    return this.#whenFree((handle) => this.#outcome(handle, transactionId));
  }

  settle(transactionId: string): Promise<Outcome> {
    const insert =
      `INSERT INTO ${this.#table} (transaction_id, outcome, created_at) ` +
      `VALUES (?, 'rolled_back', ${databaseNow.sqlite}) ON CONFLICT (transaction_id) DO NOTHING`;
    return this.#whenFree((handle) =>
      inTransaction(handle, () => {
        handle.prepare(insert).run(transactionId);
        const outcome = this.#outcome(handle, transactionId);
        if (outcome === undefined) throw new Error(`the row of ${transactionId} is gone`);
        return outcome;
      }),
    );
  }

  purge(keptMs: number, max: number): Promise<number> {
    const old = `SELECT transaction_id FROM ${this.#table} WHERE created_at < ${databaseNow.sqlite} - ? LIMIT ?`;
    const remove = `DELETE FROM ${this.#table} WHERE transaction_id IN (${old})`;
    return this.#whenFree((handle) => inTransaction(handle, () => handle.prepare(remove).run(keptMs, max).changes));
  }

  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    // Whoever opened it was told why it could not be: there is nothing to close.
    const dataSource = await opening?.catch(() => undefined);
    await dataSource?.destroy();
  }

  #outcome(handle: Handle, transactionId: string): Outcome | undefined {
    const select = `SELECT outcome FROM ${this.#table} WHERE transaction_id = ?`;
    const [row] = handle.prepare(select).all(transactionId) as { outcome: Outcome }[];
    return row?.outcome;
  }

  /** Does it as soon as no other connection is in the way; rejects when that takes longer than a second. */
  async #whenFree<Result>(act: (handle: Handle) => Result): Promise<Result> {
    const { driver } = await this.#open();
    const handle = (driver as unknown as { databaseConnection: Handle }).databaseConnection;
    const deadline = performance.now() + lockWaitMs;
    for (;;) {
      try {
        return act(handle);
      } catch (error) {
        if (!isLockConflict('sqlite', error) || performance.now() > deadline) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, tryMs));
    }
  }

  #open(): Promise<DataSource> {
    const opening = (this.#opening ??= ownDataSource(this.application, { timeout: 0 }).initialize());
    opening.catch(() => {
      if (this.#opening === opening) this.#opening = undefined;
    });
    return opening;
  }
}

/** With the lock from the start: a statement that finds the file busy would stay half done, and keep each later read's lock. */
function inTransaction<Result>(handle: Handle, act: () => Result): Result {
  handle.exec('BEGIN IMMEDIATE');
  try {
    const result = act();
    handle.exec('COMMIT');
    return result;
  } catch (error) {
    if (handle.inTransaction) handle.exec('ROLLBACK');
    throw error;
  }
}
