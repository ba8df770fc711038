import type { Clock } from '../message/clock.js';
import { reached } from '../message/step.js';
import type { LaneStore, RetryEntry } from '../store/lane-store.js';
import { DropRows, WaitInStore } from './delivery-changes.js';
import type { OwnedState } from './owned-state.js';
import type { RelaySettings } from './relay-settings.js';
import type { SettlementWriter } from './settlement-writer.js';
import { trackedFromRetry, type TrackedDelivery } from './tracked-delivery.js';

/** Brings due retries into memory, a bounded number at a time. */
export class DueRetries {
  constructor(
    private readonly state: OwnedState,
    private readonly store: LaneStore,
    private readonly writer: SettlementWriter,
    private readonly settings: RelaySettings,
    private readonly clock: Clock,
  ) {}

  wanted(now: number): boolean {
    return this.state.retryWakeAt <= now && this.state.retries.length === 0 && this.state.dueRetriesMax > 0;
  }

  async load(now: number): Promise<void> {
    const { state } = this;
    state.retryWakeAt = Infinity;
    state.settledMeanwhile = new Set();
    try {
      const entries = await this.store.dueRetries(state.topic, state.group, now, this.settings.dueRetriesMax);
      if (entries.length > 0) reached('retry.loaded');
      const brought = await this.#takeIn(entries);
      const nextAt = brought ? now : await this.#nextWakeAt(now);
      // Only now: what failed while the store was asked may be due earlier.
      state.retryWakeAt = Math.min(state.retryWakeAt, nextAt);
    } catch (error) {
      state.retryWakeAt = now;
      throw error;
    } finally {
      state.settledMeanwhile = null;
    }
  }

  /** Answers whether any of the entries was not known. */
  async #takeIn(entries: RetryEntry[]): Promise<boolean> {
    const waiting: TrackedDelivery[] = [];
    const doubled: RetryEntry[] = [];
    const unknown = entries.filter((entry) => !this.#isKnown(entry)).slice(0, this.state.dueRetriesMax);
    const brought = unknown.length > 0;
    if (brought) this.state.retriesBrought();
    for (const entry of unknown) {
      if (!this.state.lane(entry.shard).replaceByRow(entry.offset)) {
        doubled.push(entry);
        continue;
      }
      const delivery = trackedFromRetry(entry);
      const { keyHash } = entry.ref;
      if (keyHash === undefined || this.state.gate.enter(keyHash, entry.offset)) {
        this.state.readyRetry(delivery);
      } else {
        // Another delivery of its key is under way: a redriven dead letter waits like the rest.
        this.state.gate.stored(keyHash, entry.offset);
        waiting.push(delivery);
      }
    }
    if (doubled.length > 0) await this.writer.write(new DropRows(this.state, doubled));
    if (waiting.length > 0) await this.writer.write(new WaitInStore(this.state, waiting, this.clock.now()));
    return brought;
  }

  #isKnown({ shard, offset }: RetryEntry): boolean {
    const lane = this.state.lane(shard);
    if (lane.inFlight.has(offset) || lane.isSettling(offset) || lane.hasReadyRetry(offset)) return true;
    return this.state.settledMeanwhile!.has(`${shard}:${offset}`);
  }

  async #nextWakeAt(now: number): Promise<number> {
    const next = await this.store.nextRetryAt(this.state.topic, this.state.group);
    if (next === null) return Infinity;
    // Those that are just being given out are still due in the store.
    return Math.max(next, now + this.settings.tickMsMin);
  }
}
