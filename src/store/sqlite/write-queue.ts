import { Problem } from '../../message/problem.js';

/**
 * Runs pieces of work one after another, in the order in which they came.
 * All writes of SQLite share one connection: two that overlap would roll back each other's work.
 */
export class WriteQueue {
  private tail: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  /** @param waitingMax how many may wait or run; further ones are refused with `overloaded` */
  constructor(private readonly waitingMax: number) {}

  /** Runs `work` when everything before it has ended, however it ended. */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.waiting >= this.waitingMax) {
      return Promise.reject(
        new Problem('overloaded', 'too many database transactions are waiting', { retryAfterMs: 1_000 }),
      );
    }
    this.waiting += 1;
    const result = this.tail.then(work);
    this.tail = result.then(
      () => (this.waiting -= 1),
      // The caller is given the error by `result`; the queue goes on.
      () => (this.waiting -= 1),
    );
    return result;
  }

  /** Resolves when everything that was queued so far has ended. */
  async drained(): Promise<void> {
    await this.tail;
  }
}
