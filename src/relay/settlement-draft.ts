import type { LaneCursor, NewDeadLetter, RetryEntry, Settlement } from '../store/lane-store.js';
import type { Lane } from './lane.js';

/** One call's changes to a subscription, made in memory when they are about to be written and undone when that failed. */
export interface Change {
  /** Rows that it writes, about. */
  readonly size: number;
  apply(draft: SettlementDraft): void;
  undo(): void;
}

/** Gathers the changes of one write. */
export class SettlementDraft {
  readonly #lanes = new Set<Lane>();
  readonly #retriesPut = new Map<string, RetryEntry>();
  readonly #retriesDelete = new Map<string, { shard: number; offset: number }>();
  readonly #deadLetters: NewDeadLetter[] = [];

  get isEmpty(): boolean {
    return this.#lanes.size === 0;
  }

  /** The lane's cursor is written along. */
  touch(lane: Lane): void {
    this.#lanes.add(lane);
  }

  putRetry(lane: Lane, entry: RetryEntry): void {
    this.touch(lane);
    const key = `${lane.shard}:${entry.offset}`;
    this.#retriesDelete.delete(key);
    this.#retriesPut.set(key, entry);
  }

  deleteRetry(lane: Lane, offset: number): void {
    this.touch(lane);
    const key = `${lane.shard}:${offset}`;
    this.#retriesPut.delete(key);
    this.#retriesDelete.set(key, { shard: lane.shard, offset });
  }

  bury(lane: Lane, deadLetter: NewDeadLetter): void {
    this.touch(lane);
    this.#deadLetters.push(deadLetter);
  }

  /** What to write. Call after all changes were applied: cursors are taken as they are now. */
  build(of: Pick<Settlement, 'topic' | 'group' | 'epoch' | 'write'>): Settlement {
    const cursors: LaneCursor[] = [];
    for (const lane of this.#lanes) {
      lane.dirty = false;
      cursors.push(lane.cursor());
    }
    return {
      ...of,
      cursors,
      retriesPut: [...this.#retriesPut.values()],
      retriesDelete: [...this.#retriesDelete.values()],
      deadLetters: this.#deadLetters,
    };
  }

  /** The cursors were not written after all. */
  undo(): void {
    for (const lane of this.#lanes) lane.dirty = true;
  }
}
