import type { Clock } from '../message/clock.js';
import type { BackgroundService } from './background-service.js';
import type { Logger } from './logger.js';

export interface LoopOptions {
  /** Names the loop in log lines. */
  name: string;
  /** How long to wait after a run that was not full. */
  intervalMs: number;
  clock: Clock;
  logger: Logger;
  /** Wait after a run that failed; doubles while runs go on failing. Default: `intervalMs`. */
  retryMs?: number;
  /** The longest such wait. Default 30 s. */
  retryMsMax?: number;
}

/**
 * Calls `runOnce` again and again: at once after a full batch, else after the interval or when woken.
 * Runs never overlap. A run that throws is logged (as a warning the first time in a row), and tried again after a growing wait.
 */
export class Loop implements BackgroundService {
  private timer: NodeJS.Timeout | undefined;
  private dueAt = Infinity;
  private running: Promise<void> | undefined;
  /** A wake-up that came during a run. */
  private wokenFor = Infinity;
  private started = false;
  private failures = 0;

  /** @param runOnce answers true when it did as much as one batch allows, so that more may be waiting */
  constructor(
    private readonly runOnce: (now: number) => Promise<boolean>,
    private readonly options: LoopOptions,
  ) {}

  start(): void {
    if (this.started) return;
    this.started = true;
    this.schedule(0);
  }

  /** Runs after at most `delayMs`, also when a run is going on now. Does nothing before `start` and after `stop`. */
  wake(delayMs = 0): void {
    if (!this.started) return;
    if (this.running !== undefined) this.wokenFor = Math.min(this.wokenFor, performance.now() + delayMs);
    else this.schedule(delayMs);
  }

  async stop(): Promise<void> {
    this.started = false;
    clearTimeout(this.timer);
    this.dueAt = Infinity;
    await this.running;
  }

  private schedule(delayMs: number): void {
    const dueAt = performance.now() + delayMs;
    if (dueAt >= this.dueAt) return;
    clearTimeout(this.timer);
    this.dueAt = dueAt;
    this.timer = setTimeout(() => {
      this.dueAt = Infinity;
      this.running = this.run();
    }, delayMs);
  }

  private async run(): Promise<void> {
    let waitMs = this.options.intervalMs;
    try {
      if (await this.runOnce(this.options.clock.now())) waitMs = 0;
      this.failures = 0;
    } catch (error) {
      const { retryMs, retryMsMax, intervalMs, name, logger } = this.options;
      waitMs = Math.min(retryMsMax ?? 30_000, (retryMs ?? intervalMs) * 2 ** this.failures);
      const level = this.failures === 0 ? 'warn' : 'debug';
      this.failures = Math.min(this.failures + 1, 16);
      logger[level]({ err: error, loop: name, retryInMs: waitMs }, 'a background run failed');
    }
    this.running = undefined;
    const wokenFor = this.wokenFor;
    this.wokenFor = Infinity;
    if (!this.started) return;
    const wokenInMs = Math.max(0, wokenFor - performance.now());
    // After a failure a wake-up does not shorten the wait: a store that is away is not asked in a tight circle.
    this.schedule(this.failures > 0 ? waitMs : Math.min(waitMs, wokenInMs));
  }
}
