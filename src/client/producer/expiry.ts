/** Something that is given up at its time. */
export interface Expiring {
  /** By `performance.now()`. */
  readonly deadline: number;
  expire(): void;
}

/** A timer that is set for longer fires at once; after it, what is not due yet is waited for again. */
const timerMsMax = 2 ** 31 - 1;

/** Expires what is live at its time, with one timer: a timer for each costs more than the rest of a send. */
export class Expiry<One extends Expiring> {
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Infinity;

  /** @param live what is watched; who ends leaves it */
  constructor(private readonly live: ReadonlySet<One>) {}

  /** To be called when something has become live. The process stays alive for it. */
  watch({ deadline }: One): void {
    if (this.live.size === 1) this.#timer?.ref();
    if (deadline < this.#dueAt) this.#arm(deadline);
  }

  /** To be called when nothing is live: the process may end. */
  rest(): void {
    this.#timer?.unref();
  }

  #arm(dueAt: number): void {
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    const waitMs = Math.min(timerMsMax, Math.max(1, Math.ceil(dueAt - performance.now())));
    this.#timer = setTimeout(() => this.#expire(), waitMs);
    if (this.live.size === 0) this.#timer.unref();
  }

  #expire(): void {
    const now = performance.now();
    this.#dueAt = Infinity;
    let next = Infinity;
    for (const one of this.live) {
      if (one.deadline <= now) one.expire();
      else next = Math.min(next, one.deadline);
    }
    if (next < this.#dueAt) this.#arm(next);
  }
}
