import type { Clock } from '../message/clock.js';
import type { BackgroundService } from '../runtime/background-service.js';
import type { Logger } from '../runtime/logger.js';
import { Loop } from '../runtime/loop.js';
import type { RelaySettings } from './relay-settings.js';
import type { SubscriptionRelay } from './subscription-relay.js';
import { Timetable } from './timetable.js';

/** Looks at each owned subscription when something of it is due: one timer for the whole node. */
export class DueLoop implements BackgroundService {
  readonly #timetable = new Timetable<SubscriptionRelay>();
  readonly #loop: Loop;

  constructor(
    private readonly settings: RelaySettings,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    const run = async (now: number): Promise<boolean> => this.#lookAtDue(now);
    this.#loop = new Loop(run, { name: 'due', intervalMs: settings.renewMs, clock, logger });
  }

  /** When something is due next (epoch ms), or a little earlier; Infinity when nothing is. */
  get nextAt(): number {
    return this.#timetable.nextAt;
  }

  /** Looks at the subscription at that time (epoch ms), or earlier where that was asked for before. */
  at(relay: SubscriptionRelay, at: number): void {
    this.#timetable.set(relay, at);
    this.#wake(this.clock.now());
  }

  forget(relay: SubscriptionRelay): void {
    this.#timetable.delete(relay);
  }

  /** Looks at all that are due, and waits for it. */
  async runOnce(now: number): Promise<void> {
    await Promise.all(this.#timetable.due(now).map((relay) => this.#lookAt(relay, now)));
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  #lookAtDue(now: number): boolean {
    // Not waited for: one subscription never delays another.
    for (const relay of this.#timetable.due(now)) void this.#lookAt(relay, now);
    this.#wake(now);
    return false;
  }

  async #lookAt(relay: SubscriptionRelay, now: number): Promise<void> {
    try {
      await relay.runOnce(now);
    } catch (error) {
      const { topic, group } = relay;
      this.logger.warn({ err: error, topic, group }, 'a look at a subscription failed');
      this.at(relay, now + this.settings.renewMs);
    }
  }

  #wake(now: number): void {
    const { nextAt } = this.#timetable;
    if (nextAt !== Infinity) this.#loop.wake(Math.max(this.settings.tickMsMin, nextAt - now));
  }
}
