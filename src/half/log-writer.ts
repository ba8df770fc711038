import type { Clock } from '../message/clock.js';
import type { LogChunk } from '../message/ref.js';
import type { AppendItem, AppendResult, HalfStore } from '../store/half-store.js';
import { GroupCommit, type GroupCommitBounds } from './group-commit.js';
import type { PendingBudget } from './pending-budget.js';

/** Commits, rollbacks and plain sends of concurrent requests, in shared batches; tells the relay what became visible. */
export class LogWriter {
  readonly #batches: GroupCommit<AppendItem, AppendResult>;

  /**
   * @param resolvedKeptMs how long the row of a resolved transaction is kept
   * @param onAppended told the log chunks that a batch wrote, after they are durable
   */
  constructor(
    store: HalfStore,
    clock: Clock,
    bounds: GroupCommitBounds,
    budget: PendingBudget,
    resolvedKeptMs: number,
    onAppended: (chunks: LogChunk[]) => void,
    onBatch?: (size: number) => void,
  ) {
    const write = async (items: AppendItem[]) => {
      const { outcomes, chunks } = await store.append(items, clock.now(), resolvedKeptMs);
      if (chunks.length > 0) onAppended(chunks);
      return outcomes;
    };
    this.#batches = new GroupCommit(write, bounds, budget, onBatch);
  }

  /** Resolves when the item is durable, and visible where it appended. Rejects with the item's own problem (see `HalfStore.append`). */
  append(item: AppendItem, bytes: number): Promise<AppendResult> {
    return this.#batches.add(item, bytes);
  }
}
