import { Problem } from '../../message/problem.js';

interface Waiter {
  resolve: () => void;
  reject: (problem: Problem) => void;
  timer: NodeJS.Timeout;
}

/**
 * Who may use a connection: `size` at a time, the others in the order in which they came, bounded in number and time.
 * (The pool's own queue has no bound in time and keeps waiting when a connection cannot be opened.)
 */
export class ConnectionSlots {
  private free: number;
  private readonly waiters = new Set<Waiter>();
  private readonly idle: (() => void)[] = [];

  /**
   * @param waitingMax how many may wait; further ones get `overloaded`
   * @param waitMsMax how long one may wait; then `unavailable`
   */
  constructor(
    private readonly size: number,
    private readonly waitingMax: number,
    private readonly waitMsMax: number,
  ) {
    this.free = size;
  }

  /** Resolves when a slot is the caller's, who gives it back by {@link release}. */
  take(): Promise<void> {
    if (this.free > 0) {
      this.free -= 1;
      return Promise.resolve();
    }
    if (this.waiters.size >= this.waitingMax) {
      return Promise.reject(
        new Problem('overloaded', 'too many database transactions are waiting', { retryAfterMs: 1_000 }),
      );
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject, timer: setTimeout(() => this.giveUp(waiter), this.waitMsMax) };
      this.waiters.add(waiter);
    });
  }

  release(): void {
    const [next] = this.waiters;
    if (next) {
      this.waiters.delete(next);
      clearTimeout(next.timer);
      next.resolve();
      return;
    }
    this.free += 1;
    if (this.free === this.size) for (const resolve of this.idle.splice(0)) resolve();
  }

  /** Resolves when nobody has a slot. */
  drained(): Promise<void> {
    if (this.free === this.size) return Promise.resolve();
    return new Promise((resolve) => this.idle.push(resolve));
  }

  private giveUp(waiter: Waiter): void {
    this.waiters.delete(waiter);
    waiter.reject(
      new Problem('unavailable', 'no connection to the store became free in time', { retryAfterMs: 1_000 }),
    );
  }
}
