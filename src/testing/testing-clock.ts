import type { Clock } from '../message/clock.js';

/** Brings what is due up to `target` about, moving the clock step by step by `moveTo`. */
export type Travel = (target: number, moveTo: (time: number) => void) => Promise<void>;

/** The broker's time in a test: it stands still until it is moved, and then goes forward only. */
export class TestingClock implements Clock {
  #now: number;
  #travelling: Promise<void> = Promise.resolve();

  /** @param now epoch ms at the start */
  constructor(
    now: number,
    private readonly travel: Travel,
  ) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  /**
   * Lets so much time pass. What is due meanwhile happens at its time, in its order: checks, retries, delayed messages,
   * expired claims; what these bring about is given a second of real time to happen before the clock goes on (consumers
   * that are busy, or not there, don't hold it up for longer). Retention runs at the end. After 1,000 such times the clock
   * goes to the end at once.
   */
  advance(ms: number): Promise<void> {
    if (!(ms >= 0)) return Promise.reject(new RangeError(`time cannot go back by ${-ms} ms`));
    return this.#to(() => this.#now + ms);
  }

  /** As {@link advance}, to a time. A `RangeError` for one that has passed. */
  set(time: Date | number): Promise<void> {
    return this.#to(() => Number(time));
  }

  #to(target: () => number): Promise<void> {
    const travelled = this.#travelling.then(async () => {
      const time = target();
      if (!(time >= this.#now)) throw new RangeError('time cannot go back');
      await this.travel(time, (next) => (this.#now = Math.max(this.#now, Math.min(next, time))));
    });
    this.#travelling = travelled.catch(() => undefined);
    return travelled;
  }
}
