import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { assertBetween } from '../../message/assert-between.js';
import { systemClock } from '../../message/clock.js';
import { idPattern } from '../../message/names.js';
import { reached } from '../../message/step.js';
import type { BackgroundService } from '../../runtime/background-service.js';
import { silentLogger, type Logger } from '../../runtime/logger.js';
import { Loop } from '../../runtime/loop.js';
import type { Answer, Answerer, Question } from '../check/answerer.js';
import { LocalTransactionLost, TransactionFenced, TransactionRepeated } from '../errors.js';
import { isDuplicateKey } from './database-errors.js';
import { databaseNow, dialectOf, inDialect, tableName, type Dialect } from './dialect.js';
import type { FenceRows, Outcome } from './fence-rows.js';
import { InHand } from './in-hand.js';
import { ServerFenceRows } from './server-fence-rows.js';
import { SqliteFenceRows } from './sqlite-fence-rows.js';

const dayMs = 24 * 3_600_000;
/** Rows deleted in one transaction. */
const purgedMax = 500;
/** Beyond the limit of local transactions: the COMMIT that was sent at the last moment. */
const marginMs = 5_000;

/** How a fence is set up. Every instance of an application needs the same times. */
export interface FenceOptions {
  /** Id of this process, unique among the live instances of its producer. */
  instance: string;
  /**
   * The longest that a local transaction may take, from before its prepare to its COMMIT. Only after it a transaction of another
   * instance is answered as rolled back. Default 60,000; 1,000..3,600,000.
   */
  localTransactionMsMax?: number | undefined;
  /**
   * How long rows are kept; check-backs about transactions that are older, less a day, are answered `unknown`. Default 30 days;
   * at least 2 days.
   */
  fenceRetentionMs?: number | undefined;
  /** How often old rows are looked for, 500 at a time. Default an hour. */
  purgeIntervalMs?: number | undefined;
  /** The transactions of this process. Default: a new one. */
  inHand?: InHand | undefined;
  logger?: Logger | undefined;
}

/**
 * Answers check-backs from the table `halfbox_fence` of the application's database. A local transaction begins by writing its
 * row as committed; a check writes one as rolled back where there is none. Whoever is first wins: what was answered
 * `rollback` can never commit later, and what is still open is answered `unknown`.
 *
 * It opens two connections of its own at most, to the primary, when the first check-back comes.
 * `start` begins to delete old rows, `stop` ends it and closes the connections. Any number of instances may do so at once.
 */
export class Fence implements Answerer, BackgroundService {
  /** The application's. */
  readonly dataSource: DataSource;
  readonly instance: string;
  readonly inHand: InHand;
  readonly localTransactionMsMax: number;
  readonly #retentionMs: number;
  readonly #dialect: Dialect;
  readonly #table: string;
  readonly #rows: FenceRows;
  readonly #logger: Logger;
  readonly #purge: Loop;
  /** What uses the rows now. */
  readonly #answering = new Set<Promise<unknown>>();
  #isStopped = false;

  /** @throws TypeError for an unsupported database, SQLite in memory included; RangeError for a time out of its bounds */
  constructor(database: DataSource | EntityManager, options: FenceOptions) {
    const dataSource = 'dataSource' in database ? database.dataSource : database;
    const { localTransactionMsMax = 60_000, fenceRetentionMs = 30 * dayMs, purgeIntervalMs = 3_600_000 } = options;
    assertBetween('localTransactionMsMax', localTransactionMsMax, 1_000, 3_600_000);
    assertBetween('fenceRetentionMs', fenceRetentionMs, 2 * dayMs, Number.MAX_SAFE_INTEGER);
    assertBetween('purgeIntervalMs', purgeIntervalMs, 1_000, dayMs);
    this.dataSource = dataSource;
    this.instance = options.instance;
    this.inHand = options.inHand ?? new InHand();
    this.localTransactionMsMax = localTransactionMsMax;
    this.#retentionMs = fenceRetentionMs;
    this.#dialect = dialectOf(dataSource);
    this.#table = tableName(dataSource, 'halfbox_fence');
    this.#rows = this.#dialect === 'sqlite' ? new SqliteFenceRows(dataSource) : new ServerFenceRows(dataSource);
    this.#logger = options.logger ?? silentLogger;
    const loop = { name: 'fence-purge', intervalMs: purgeIntervalMs, clock: systemClock, logger: this.#logger };
    this.#purge = new Loop(() => this.runOnce(), loop);
  }

  /** Never rejects for a state of the database: what cannot be told now is `unknown`. Rejects after {@link stop}. */
  async answer(question: Question): Promise<Answer> {
    const { transactionId } = question;
    if (!idPattern.test(transactionId)) throw new TypeError(`not the id of a transaction: ${transactionId}`);
    if (this.inHand.has(transactionId)) return 'unknown';
    this.#mustBeOpen();
    try {
      const outcome = async () => (await this.#rows.read(transactionId)) ?? (await this.#settle(question));
      return answerOf(await this.#underWay(outcome()));
    } catch (error) {
      this.#logger.warn({ err: error, transactionId }, 'a check-back could not be answered now');
      return 'unknown';
    }
  }

  /** Writes `rolled_back` unless there is a row, whatever the transaction's age; answers what holds from now on. */
  async settle(transactionId: string): Promise<Outcome> {
    this.#mustBeOpen();
    return this.#underWay(this.#rows.settle(transactionId));
  }

  /**
   * Writes the row of a local transaction, as its first statement. When there is one already it rejects, and {@link refusal}
   * tells why.
   */
  async enter(runner: QueryRunner, transactionId: string): Promise<void> {
    const insert = `INSERT INTO ${this.#table} (transaction_id, outcome, created_at) VALUES (?, 'committed', ${databaseNow[this.#dialect]})`;
    await runner.query(inDialect(this.#dialect, insert), [transactionId]);
  }

  /**
   * Makes sure, as the last statement before the COMMIT, that this still is the transaction that wrote its row. @throws LocalTransactionLost
   */
  async confirm(runner: QueryRunner, transactionId: string): Promise<void> {
    const outcome = await this.outcome(runner, transactionId).catch((error: unknown) => {
      throw new LocalTransactionLost(transactionId, error);
    });
    if (outcome !== 'committed') throw new LocalTransactionLost(transactionId);
  }

  /** Takes the row back that {@link enter} wrote, in the same transaction. */
  async leave(runner: QueryRunner, transactionId: string): Promise<void> {
    const remove = `DELETE FROM ${this.#table} WHERE transaction_id = ?`;
    await runner.query(inDialect(this.#dialect, remove), [transactionId]);
  }

  /** What the row of a transaction says on this connection; undefined without one. */
  async outcome(runner: QueryRunner, transactionId: string): Promise<Outcome | undefined> {
    const select = `SELECT outcome FROM ${this.#table} WHERE transaction_id = ?`;
    const [row] = (await runner.query(inDialect(this.#dialect, select), [transactionId])) as { outcome: Outcome }[];
    return row?.outcome;
  }

  /** Whether {@link enter} rejected because there is a row. */
  isTaken(error: unknown): boolean {
    return isDuplicateKey(this.#dialect, error);
  }

  /** Why {@link enter} rejected with `error`, by what the row said after the rollback. */
  refusal(transactionId: string, error: unknown, outcome: Outcome | undefined): unknown {
    if (outcome === undefined || !this.isTaken(error)) return error;
    return outcome === 'committed' ? new TransactionRepeated(transactionId) : new TransactionFenced(transactionId);
  }

  start(): void {
    this.#isStopped = false;
    this.#purge.start();
  }

  /** Ends what is under way, within ten seconds, and frees the connections: nothing opens them again. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#purge.stop();
    await Promise.allSettled(this.#answering);
    await this.#rows.close();
  }

  /** Deletes up to 500 rows older than the retention, by the database's clock; answers whether there may be more. */
  async runOnce(): Promise<boolean> {
    return (await this.#rows.purge(this.#retentionMs, purgedMax)) === purgedMax;
  }

  #mustBeOpen(): void {
    if (this.#isStopped) throw new Error('the fence was stopped');
  }

  async #underWay<Result>(answering: Promise<Result>): Promise<Result> {
    this.#answering.add(answering);
    try {
      return await answering;
    } finally {
      this.#answering.delete(answering);
    }
  }

  /** Only what no live instance can still commit is settled, and only while its row would still be there. */
  async #settle({ transactionId, preparedAt, askedAt, instance }: Question): Promise<Outcome | undefined> {
    const ageMs = Date.parse(askedAt) - Date.parse(preparedAt);
    if (!(ageMs <= this.#retentionMs - dayMs)) return undefined;
    const isOwn = instance === this.instance;
    if (!isOwn && ageMs <= this.localTransactionMsMax + marginMs) return undefined;
    const settled = await this.#rows.settle(transactionId);
    reached('client.check.settled-before-answer');
    return settled;
  }
}

function answerOf(outcome: Outcome | undefined): Answer {
  if (outcome === undefined) return 'unknown';
  return outcome === 'committed' ? 'commit' : 'rollback';
}
