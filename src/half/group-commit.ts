import type { Outcome } from '../message/problem.js';
import type { PendingBudget } from './pending-budget.js';

export interface GroupCommitBounds {
  /** Items of one batch at most. */
  itemsMax: number;
  /** Bytes of one batch at most; one larger item is a batch of its own. */
  bytesMax: number;
  /** Batches under way at once. With 1, items are written in the order in which they were added. */
  concurrency: number;
}

interface Waiting<Item, Result> {
  item: Item;
  bytes: number;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** Callers of one batch from which on the next one is gathered for longer. */
const crowd = 9;

/**
 * Gathers items of concurrent callers into batches and answers each caller after its own batch is durable.
 * What arrives in one event-loop turn, or while the batches under way are being written, shares a batch.
 */
export class GroupCommit<Item, Result> {
  #waiting: Waiting<Item, Result>[] = [];
  #running = 0;
  #scheduled = false;
  #lastSize = 0;

  /**
   * @param write stores a batch; its outcomes are in the order of the items. When it throws, the whole batch failed.
   * @param onBatch told the size of each batch, for metrics
   */
  constructor(
    private readonly write: (items: Item[]) => Promise<Outcome<Result>[]>,
    private readonly bounds: GroupCommitBounds,
    private readonly budget: PendingBudget,
    private readonly onBatch: (size: number) => void = () => {},
  ) {}

  /** Resolves when the item is durable. Rejects with the item's problem, or with the batch's error. Throws `overloaded` at once over the budget. */
  add(item: Item, bytes: number): Promise<Result> {
    this.budget.acquire(bytes);
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ item, bytes, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#running >= this.bounds.concurrency || this.#waiting.length === 0) return;
    this.#scheduled = true;
    const begin = (): void => {
      this.#scheduled = false;
      while (this.#running < this.bounds.concurrency && this.#waiting.length > 0) void this.#run(this.#cut());
    };
    // After a batch of many callers, a turn more: the answers to them bring their next requests, which share a database transaction.
    if (this.#lastSize < crowd) setImmediate(begin);
    else setImmediate(() => setImmediate(begin));
  }

  #cut(): Waiting<Item, Result>[] {
    let bytes = 0;
    let count = 0;
    for (const { bytes: itemBytes } of this.#waiting) {
      bytes += itemBytes;
      if (count > 0 && (count >= this.bounds.itemsMax || bytes > this.bounds.bytesMax)) break;
      count += 1;
    }
    const batch = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    return batch;
  }

  async #run(batch: Waiting<Item, Result>[]): Promise<void> {
    this.#running += 1;
    this.#lastSize = batch.length;
    try {
      this.onBatch(batch.length);
      const outcomes = await this.write(batch.map(({ item }) => item));
      batch.forEach(({ resolve, reject }, index) => {
        const outcome = outcomes[index];
        if (outcome === undefined) reject(new Error(`the store gave no outcome for item ${index} of ${batch.length}`));
        else if (outcome.problem) reject(outcome.problem);
        else resolve(outcome.value);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      for (const { bytes } of batch) this.budget.release(bytes);
      this.#running -= 1;
      this.#schedule();
    }
  }
}
