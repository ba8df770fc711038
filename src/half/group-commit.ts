import { Problem, type Outcome } from '../message/problem.js';
import { ManyItems, OneItem, type ItemsCaller } from './items-caller.js';
import type { PendingBudget } from './pending-budget.js';

export interface GroupCommitBounds {
  /** Items of one batch at most. */
  itemsMax: number;
  /** Bytes of one batch at most; one larger item is a batch of its own. */
  bytesMax: number;
  /** Batches under way at once. With 1, items are written in the order in which they were added. */
  concurrency: number;
}

/** An item and its size as a batch counts it. */
export interface SizedItem<Item> {
  item: Item;
  bytes: number;
}

interface Waiting<Item, Result> extends SizedItem<Item> {
  caller: ItemsCaller<Result>;
  /** Which of its caller's items it is. */
  index: number;
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
      this.#waiting.push({ item, bytes, caller: new OneItem(resolve, reject), index: 0 });
      this.#schedule();
    });
  }

  /**
   * As {@link add} for many items of one caller, which may be written in several batches: one promise for all of them.
   * Answers an outcome for each, in their order; what is a problem already stays that.
   */
  addAll(items: readonly (SizedItem<Item> | Problem)[]): Promise<Outcome<Result>[]> {
    return new Promise((resolve) => {
      const caller = new ManyItems<Result>(items.length, resolve);
      items.forEach((sized, index) => {
        try {
          if (sized instanceof Problem) throw sized;
          this.budget.acquire(sized.bytes);
          this.#waiting.push({ item: sized.item, bytes: sized.bytes, caller, index });
        } catch (error) {
          caller.failed(index, error);
        }
      });
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
      batch.forEach(({ caller, index }, position) => {
        const outcome = outcomes[position];
        if (outcome === undefined) {
          caller.failed(index, new Error(`the store gave no outcome for item ${position} of ${batch.length}`));
        } else if (outcome.problem) caller.failed(index, outcome.problem);
        else caller.done(index, outcome.value);
      });
    } catch (error) {
      for (const { caller, index } of batch) caller.failed(index, error);
    } finally {
      for (const { bytes } of batch) this.budget.release(bytes);
      this.#running -= 1;
      this.#schedule();
    }
  }
}
