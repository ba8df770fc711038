import type { Clock } from '../message/clock.js';
import { reached } from '../message/step.js';
import type { BackgroundService } from '../runtime/background-service.js';
import type { Logger } from '../runtime/logger.js';
import { Loop } from '../runtime/loop.js';
import type { RetentionStore } from '../store/retention-store.js';
import type { OverdueBacklogs } from './overdue-backlogs.js';

/** Lengths of time are milliseconds. How long resolved transactions and messages are kept is stored with them and their topics. */
export interface RetentionSettings {
  /** Between two runs. Default 60 s. */
  intervalMs: number;
  /** Rows that one database transaction deletes at most, so that other statements don't wait. Default 500. */
  batchMax: number;
  /** Batches of one kind (or one shard) in one run; the rest follows at once in the next. Default 200. */
  batchesMax: number;
  /** How long parked transactions are kept. Default 30 days. */
  parkedRetentionMs: number;
  /** How long dead letters are kept. Default 30 days. */
  deadLetterRetentionMs: number;
}

export const defaultRetentionSettings: RetentionSettings = {
  intervalMs: 60_000,
  batchMax: 500,
  batchesMax: 200,
  parkedRetentionMs: 30 * 24 * 3_600_000,
  deadLetterRetentionMs: 30 * 24 * 3_600_000,
};

/** What was deleted because its time was over. */
export type Deleted = 'resolved-transactions' | 'parked-transactions' | 'dead-letters' | 'messages';

/** Told what retention deletes, for metrics. Must not throw. */
export interface RetentionObserver {
  deleted(what: Deleted, count: number): void;
}

export const silentRetentionObserver: RetentionObserver = { deleted() {} };

export interface RetentionParts {
  store: RetentionStore;
  backlogs: OverdueBacklogs;
  clock: Clock;
  settings: RetentionSettings;
  logger: Logger;
  observer: RetentionObserver;
}

/** Runs something so that its error does not keep the rest from running; false then. */
type RunApart = (run: () => Promise<boolean>) => Promise<boolean>;

/** Shards read per page. */
const shardsPageMax = 100;

/**
 * Deletes what is old: rolled-back and other resolved transactions, settled messages by their topic's retention, parked
 * transactions and dead letters. Never a message that some subscription has not settled: it warns of those instead.
 * May run on any number of nodes at once.
 */
export class Retention implements BackgroundService {
  readonly #loop: Loop;

  constructor(private readonly parts: RetentionParts) {
    const { clock, logger, settings } = parts;
    this.#loop = new Loop((now) => this.runOnce(now), {
      name: 'retention',
      intervalMs: settings.intervalMs,
      clock,
      logger,
    });
  }

  start(): void {
    this.#loop.start();
  }

  /** Ends after the run in hand. */
  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  /**
   * Deletes what is old at `now` (epoch ms), within the bound of one run. True when there may be more. One kind or shard
   * that fails does not keep the others; the first error is thrown in the end.
   */
  async runOnce(now: number): Promise<boolean> {
    const { store, settings, backlogs } = this.parts;
    const errors: unknown[] = [];
    const apart: RunApart = async (run: () => Promise<boolean>): Promise<boolean> => {
      try {
        return await run();
      } catch (error) {
        errors.push(error);
        return false;
      }
    };
    const batches: [Deleted, () => Promise<number>][] = [
      ['resolved-transactions', () => store.purgeResolved(now, settings.batchMax)],
      ['parked-transactions', () => store.purgeParked(now - settings.parkedRetentionMs, settings.batchMax)],
      ['dead-letters', () => store.purgeDeadLetters(now - settings.deadLetterRetentionMs, settings.batchMax)],
    ];
    let more = false;
    for (const [what, purge] of batches) {
      more = (await apart(() => this.#drain(what, purge))) || more;
    }
    more = (await apart(() => this.#purgeLogs(now, apart))) || more;
    more = (await apart(() => this.#purgeKept(now))) || more;
    await apart(() => backlogs.report(now));
    if (errors.length > 0) throw errors[0];
    return more;
  }

  async #drain(what: Deleted, purge: () => Promise<number>): Promise<boolean> {
    const { settings, observer, logger } = this.parts;
    let count = 0;
    let more = true;
    for (let batch = 0; more && batch < settings.batchesMax; batch += 1) {
      // A batch is bounded in messages too, so one that is not full says nothing; only an empty one is the end.
      const deleted = await purge();
      if (deleted > 0) reached('retention.mid-batch');
      if (deleted > 0) observer.deleted(what, deleted);
      count += deleted;
      more = deleted > 0;
    }
    // These were never consumed: whoever kept them should learn that they are gone.
    const loses = what === 'parked-transactions' || what === 'dead-letters';
    if (count > 0) logger[loses ? 'warn' : 'info']({ what, count }, 'deleted what was older than its retention');
    return more;
  }

  /** Messages left the log when their chunk did; what goes here is only the rest of them, and is not counted again. */
  async #purgeKept(now: number): Promise<boolean> {
    const { store, settings } = this.parts;
    for (let batch = 0; batch < settings.batchesMax; batch += 1) {
      if ((await store.purgeKept(now, settings.batchMax)) === 0) return false;
    }
    return true;
  }

  async #purgeLogs(now: number, apart: RunApart): Promise<boolean> {
    const { store } = this.parts;
    let more = false;
    let after: { topic: string; shard: number } | undefined;
    let page = await store.purgeableShards(now, after, shardsPageMax);
    while (page.length > 0) {
      for (const { topic, shard } of page) {
        more = (await apart(() => this.#purgeLog(topic, shard, now))) || more;
      }
      after = page.at(-1);
      page = page.length < shardsPageMax ? [] : await store.purgeableShards(now, after, shardsPageMax);
    }
    return more;
  }

  async #purgeLog(topic: string, shard: number, now: number): Promise<boolean> {
    const { store, settings, observer, backlogs, logger } = this.parts;
    let count = 0;
    for (let batch = 0; batch < settings.batchesMax; batch += 1) {
      // Whole chunks go, so a batch that is not full says nothing; only an empty one is the end.
      const deleted = await store.purgeLog(topic, shard, now, settings.batchMax);
      if (deleted === 0) {
        if (batch === 0) backlogs.suspect(topic);
        else logger.info({ what: 'messages', topic, shard, count }, 'deleted what was older than its retention');
        return false;
      }
      observer.deleted('messages', deleted);
      count += deleted;
    }
    return true;
  }
}
