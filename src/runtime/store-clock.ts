import type { Clock } from '../message/clock.js';
import type { BackgroundService } from './background-service.js';
import type { Logger } from './logger.js';
import { Loop } from './loop.js';

/** Samples whose round trip took longer say too little about the store's clock, once a better one is there. */
const roundTripMsMax = 1_000;
/** Samples that are taken the first time, until one is quick enough. */
const firstSamplesMax = 5;

/** Goes on evenly when somebody sets the time of day: what is due must not move by that until the next sample. */
const steadyClock: Clock = { now: () => performance.timeOrigin + performance.now() };

/** The store's time on this node: a clock of the node plus an offset that is sampled anew every interval (default 10 s). */
export class StoreClock implements Clock, BackgroundService {
  private offsetMs = 0;
  /** Of the sample that is followed: it may be wrong by half of that. */
  private roundTripMs = Infinity;
  private readonly loop: Loop;

  constructor(
    private readonly store: { now(): Promise<number> },
    logger: Logger,
    intervalMs = 10_000,
    private readonly local: Clock = steadyClock,
  ) {
    this.loop = new Loop(() => this.runOnce(), { name: 'store-clock', intervalMs, clock: local, logger });
  }

  now(): number {
    return Math.round(this.local.now() + this.offsetMs);
  }

  /**
   * Takes one sample; the first time up to five, until one took at most a second. However slow, the quickest of those is
   * followed: without any, this node would go by a clock of its own that may be wrong by years. Call it once before anything
   * relies on the clock. Throws what the store throws.
   */
  async runOnce(): Promise<boolean> {
    const samples = this.roundTripMs === Infinity ? firstSamplesMax : 1;
    for (let sample = 1; sample <= samples; sample += 1) {
      await this.sample();
      if (this.roundTripMs <= roundTripMsMax) break;
    }
    return false;
  }

  private async sample(): Promise<void> {
    const before = this.local.now();
    const storeNow = await this.store.now();
    const after = this.local.now();
    const roundTripMs = after - before;
    if (roundTripMs > Math.max(roundTripMsMax, this.roundTripMs)) return;
    this.offsetMs = storeNow - (before + after) / 2;
    this.roundTripMs = roundTripMs;
  }

  start(): void {
    this.loop.start();
  }

  async stop(): Promise<void> {
    await this.loop.stop();
  }
}
