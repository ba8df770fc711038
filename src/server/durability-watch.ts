import type { Clock } from '../message/clock.js';
import type { BackgroundService } from '../runtime/background-service.js';
import type { Logger } from '../runtime/logger.js';
import { Loop } from '../runtime/loop.js';
import type { Durability, DurabilityReport } from '../store/message-store.js';

/** Between two readings. */
const intervalMs = 60_000;

const strength: Record<Durability, number> = { relaxed: 0, flushed: 1, replicated: 2 };

/** Reads at start and every minute what an acknowledged write really survives, and warns when it is less than asked. */
export class DurabilityWatch implements BackgroundService {
  readonly #loop: Loop;
  #report: DurabilityReport = { actual: 'relaxed', weakenedBy: ['not read yet'] };

  constructor(
    private readonly store: { durability(): Promise<DurabilityReport> },
    readonly asked: Durability,
    clock: Clock,
    private readonly logger: Logger,
  ) {
    this.#loop = new Loop(() => this.runOnce(), { name: 'durability', intervalMs, clock, logger });
  }

  /** What the store did at the last reading. */
  get report(): DurabilityReport {
    return this.#report;
  }

  /** Whether the store is at least as durable as asked. */
  get fulfilled(): boolean {
    return strength[this.#report.actual] >= strength[this.asked];
  }

  async runOnce(): Promise<boolean> {
    const wasFulfilled = this.fulfilled;
    this.#report = await this.store.durability();
    if (!this.fulfilled && (wasFulfilled || this.#report.weakenedBy.length > 0)) {
      const { actual, weakenedBy } = this.#report;
      this.logger.warn(
        { asked: this.asked, actual, weakenedBy },
        'the store is less durable than HALFBOX_DURABILITY asks',
      );
    }
    return false;
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }
}
