import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { assertBetween } from '../../../message/assert-between.js';
import { systemClock } from '../../../message/clock.js';
import { reached } from '../../../message/step.js';
import type { BackgroundService } from '../../../runtime/background-service.js';
import { silentLogger, type Logger } from '../../../runtime/logger.js';
import { Loop } from '../../../runtime/loop.js';
import { LocalTransactionLost } from '../../errors.js';
import type { LocalTransactionOptions } from '../../producer/local-transactions.js';
import { isLockConflict } from '../database-errors.js';
import { dialectOf } from '../dialect.js';
import { within } from '../in-hand.js';
import { openLocalConnection, type LocalConnection } from '../local-connection.js';
import { onceFound } from '../once-found.js';
import { OpenWork } from '../open-work.js';
import { doneKey, type InboxMessage, type OnceOptions } from './done-key.js';
import { InboxBusy } from './inbox-errors.js';
import { InboxRows } from './inbox-rows.js';

export interface InboxOptions {
  /**
   * How long it is remembered what was done. Default 7 days; at least a minute. A message that is delivered again after that runs
   * again, so keep it longer than a delivery can be retried and a dead letter be redriven.
   */
  retentionMs?: number | undefined;
  /** How often old rows are looked for. Default 60,000. */
  purgeIntervalMs?: number | undefined;
  /** Rows deleted at once. Default 500; 1..1,000. */
  purgeMax?: number | undefined;
  /**
   * How long `once` waits for another delivery of the same message to end, and for a connection. Default 10,000; at least 1,000,
   * in whole seconds on MySQL.
   */
  lockWaitMs?: number | undefined;
  /** Of the local transactions. Default: the DataSource's, then the database's. */
  isolation?: LocalTransactionOptions['isolation'];
  logger?: Logger | undefined;
}

/** What became of a delivery: done now, with what the work returned, or done before. */
export type Once<Result> = { done: true; result: Result } | { done: false };

/** Tries of a transaction that the database ended at its row: two that wait for a third one that rolls back are a deadlock to MySQL. */
const triesMax = 3;
const dayMs = 24 * 3_600_000;

/**
 * Runs work once for each message and consumer group, however often the message is delivered: the row of `halfbox_inbox` that
 * says so and what the work writes share one local transaction of the application's database. What the work does elsewhere
 * (calls, mails) is not part of that, and may be done again when the transaction fails after it.
 *
 * `start` begins to delete old rows, `stop` ends it. Any number of instances may do so at once.
 */
export class Inbox implements BackgroundService {
  readonly #table: () => { dataSource: DataSource; rows: InboxRows };
  readonly #purge: Loop;
  readonly #retentionMs: number;
  readonly #purgeMax: number;
  readonly #lockWaitMs: number;

  /**
   * @param dataSource or what finds it, which is called at the first use
   * @throws TypeError for a database that Halfbox has no tables for; RangeError for an option out of its bounds
   */
  constructor(
    dataSource: DataSource | (() => DataSource),
    private readonly options: InboxOptions = {},
  ) {
    const { retentionMs = 7 * dayMs, purgeIntervalMs = 60_000, purgeMax = 500, lockWaitMs = 10_000 } = options;
    assertBetween('retentionMs', retentionMs, 60_000, 3_650 * dayMs);
    assertBetween('purgeIntervalMs', purgeIntervalMs, 100, dayMs);
    assertBetween('purgeMax', purgeMax, 1, 1_000);
    assertBetween('lockWaitMs', lockWaitMs, 1_000, 3_600_000);
    this.#retentionMs = retentionMs;
    this.#purgeMax = purgeMax;
    this.#lockWaitMs = lockWaitMs;
    this.#table = onceFound(dataSource, (found) => ({ dataSource: found, rows: new InboxRows(found) }));
    const logger = options.logger ?? silentLogger;
    const loop = { name: 'inbox-purge', intervalMs: purgeIntervalMs, clock: systemClock, logger };
    this.#purge = new Loop(() => this.runOnce(), loop);
  }

  /**
   * Runs the work in a local transaction, unless the message was done before. The work writes with the manager that it is given
   * and awaits all that it does; it must neither end the transaction itself nor, on MySQL, change the schema, which commits.
   * `{ done: true, result }`: the work and the row are committed. `{ done: false }`: they were before, and nothing was run.
   * While another delivery of the message is in work this waits for its end: when it commits it is done, when it rolls back
   * this one runs.
   *
   * In every other case it rejects, so that the delivery fails and comes again, and the work has left nothing behind, or
   * (only where the answer to the COMMIT was lost) all of it, which the next delivery then finds:
   * - what the work threw, after the rollback;
   * - `InboxBusy` when the other delivery did not end in time;
   * - `LocalTransactionLost` when the database rolled the transaction back while the work went on;
   * - `WorkUnfinished` when the work returned while a transaction that it began within it was open;
   * - `NestedLocalTransaction` from within the work of another local transaction on the DataSource;
   * - the database's error, when COMMIT failed or it is away.
   * @param group the consumer group: 1..64 of `[A-Za-z0-9_-]`
   */
  async once<Result>(
    message: InboxMessage,
    group: string,
    work: (manager: EntityManager) => Promise<Result>,
    options: OnceOptions = {},
  ): Promise<Once<Result>> {
    const key = doneKey(group, message, options);
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#tryOnce(message, group, key, work);
      } catch (error) {
        if (!(error instanceof RowNotWritten)) throw error;
        const { cause } = error;
        if (!isLockConflict(dialectOf(this.#table().dataSource), cause)) throw cause;
        if (!isPassing(cause) || tries === triesMax) throw new InboxBusy(group, message.id, cause);
      }
    }
  }

  start(): void {
    this.#purge.start();
  }

  async stop(): Promise<void> {
    await this.#purge.stop();
  }

  /** Deletes up to `purgeMax` rows older than the retention, by the database's clock; answers whether there may be more. */
  async runOnce(): Promise<boolean> {
    return (await this.#table().rows.purge(this.#retentionMs, this.#purgeMax)) === this.#purgeMax;
  }

  async #tryOnce<Result>(
    { id }: InboxMessage,
    group: string,
    key: string,
    work: (manager: EntityManager) => Promise<Result>,
  ): Promise<Once<Result>> {
    const open = new OpenWork(this.#table().dataSource);
    const connection = await this.#connect(group, id);
    let once: Once<Result> = { done: false };
    try {
      open.guard(connection.runner);
      if (await this.#insert(connection, group, key)) {
        once = { done: true, result: await open.run(async () => work(connection.manager)) };
        reached('client.inbox.work-done');
        open.close();
        if (open.endedBy !== undefined) throw new LocalTransactionLost(id, open.endedBy);
      }
      await connection.commit(async () => {
        if (once.done) await this.#mustBeThere(connection.runner, group, key, id);
      });
    } catch (error) {
      open.close();
      await this.#rollBack(connection);
      throw error;
    }
    reached('client.inbox.committed');
    await connection.release();
    return once;
  }

  /** The last thing before the COMMIT: what the database has rolled back by itself it would commit as nothing, and not tell. */
  async #mustBeThere(runner: QueryRunner, group: string, key: string, messageId: string): Promise<void> {
    const isThere = await this.#table()
      .rows.isThere(runner, group, key)
      .catch((error: unknown) => {
        throw new LocalTransactionLost(messageId, error);
      });
    if (!isThere) throw new LocalTransactionLost(messageId);
  }

  async #connect(group: string, messageId: string): Promise<LocalConnection> {
    return openLocalConnection(this.#table().dataSource, (under) =>
      within(this.#lockWaitMs, under, () => new InboxBusy(group, messageId)),
    );
  }

  async #insert(connection: LocalConnection, group: string, key: string): Promise<boolean> {
    const { runner } = connection;
    try {
      await connection.begin(this.options.isolation);
      return await this.#table().rows.insert(runner, group, key, this.#lockWaitMs);
    } catch (error) {
      throw new RowNotWritten(error);
    }
  }

  /** A connection whose ROLLBACK is not answered well is not given back. */
  async #rollBack(connection: LocalConnection): Promise<void> {
    try {
      await connection.rollback();
      await connection.release();
    } catch {
      await connection.discard();
    }
  }
}

/** The inbox's row could not be written: the work has not run. */
class RowNotWritten extends Error {
  constructor(override readonly cause: unknown) {
    super('the row was not written');
  }
}

/** The database ended this transaction: chosen out of a circle of waiting ones, or older than what another one committed. */
function isPassing(error: unknown): boolean {
  const { errno, code } = ((error as { driverError?: unknown }).driverError ?? error) as {
    errno?: unknown;
    code?: unknown;
  };
  return errno === 1213 || code === '40P01' || code === '40001';
}
