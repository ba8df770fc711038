import { Problem } from '../message/problem.js';

/** How much may wait for the store at once, over all kinds of requests of this process. */
export interface PendingBounds {
  /** Requests waiting or being written. Default 10,000. */
  itemsMax: number;
  /** Their bytes. Default 128 MiB. */
  bytesMax: number;
}

/** Counts what waits for the store and refuses what is over the bound, so that an overload answers 429 and not with memory. */
export class PendingBudget {
  #items = 0;
  #bytes = 0;

  constructor(private readonly bounds: PendingBounds) {}

  get items(): number {
    return this.#items;
  }

  /** Throws `Problem('overloaded')` when the bound is reached; otherwise `release` must be called with the same bytes. */
  acquire(bytes: number): void {
    if (this.#items >= this.bounds.itemsMax || (this.#items > 0 && this.#bytes + bytes > this.bounds.bytesMax)) {
      throw new Problem('overloaded', 'too many requests wait for the store', { retryAfterMs: 1000 });
    }
    this.#items += 1;
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#items -= 1;
    this.#bytes -= bytes;
  }
}
