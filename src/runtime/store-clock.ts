import type { Clock } from '../message/clock.js';
import type { BackgroundService } from './background-service.js';
import type { Logger } from './logger.js';
import { Loop } from './loop.js';

/** Samples whose round trip took longer say too little about the store's clock. */
const roundTripMsMax = 1_000;

/** Goes on evenly when somebody sets the time of day: what is due must not move by that until the next sample. */
const steadyClock: Clock = { now: () => performance.timeOrigin + performance.now() };

/** The store's time on this node: a clock of the node plus an offset that is sampled anew every interval (default 10 s). */
export class StoreClock implements Clock, BackgroundService {
  private offsetMs = 0;
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

  /** Takes one sample. Call it once before anything relies on the clock. */
  async runOnce(): Promise<boolean> {
    const before = this.local.now();
    const storeNow = await this.store.now();
    const after = this.local.now();
    if (after - before <= roundTripMsMax) this.offsetMs = storeNow - (before + after) / 2;
    return false;
  }

  start(): void {
    this.loop.start();
  }

  async stop(): Promise<void> {
    await this.loop.stop();
  }
}
