import type { Clock } from '../message/clock.js';
import type { LogChunk } from '../message/ref.js';
import { reached } from '../message/step.js';
import type { BackgroundService } from '../runtime/background-service.js';
import type { Logger } from '../runtime/logger.js';
import { Loop } from '../runtime/loop.js';
import type { ScheduleStore } from '../store/schedule-store.js';

/** The schedule is looked at this often, for messages that another node scheduled. */
const intervalMs = 1_000;
/** Messages appended in one database transaction. */
const batchMax = 500;

/** Makes delayed messages visible when they are due. Runs on every node; the store sees to it that each is appended once. */
export class ScheduleLoop implements BackgroundService {
  readonly #loop: Loop;

  constructor(
    private readonly store: ScheduleStore,
    private readonly listener: { appended(chunks: LogChunk[]): void },
    private readonly clock: Clock,
    logger: Logger,
  ) {
    this.#loop = new Loop((now) => this.runOnce(now), { name: 'schedule', intervalMs, clock, logger });
  }

  /** Appends one batch of due messages. True when it was full. */
  async runOnce(now: number): Promise<boolean> {
    const chunks = await this.store.appendDue(now, batchMax);
    if (chunks.length > 0) reached('schedule.appended');
    if (chunks.length > 0) this.listener.appended(chunks);
    const appended = chunks.reduce((count, { refs }) => count + refs.length, 0);
    if (appended >= batchMax) return true;
    const nextDueAt = await this.store.nextDueAt();
    if (nextDueAt !== null) this.expect(nextDueAt);
    return false;
  }

  /** A message is due at that time (epoch ms): it becomes visible then, not only at the next look. */
  expect(dueAt: number): void {
    const delayMs = dueAt - this.clock.now();
    if (delayMs < intervalMs) this.#loop.wake(Math.max(1, delayMs));
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }
}
