import { newId } from '../message/message-id.js';
import type { Lane } from './lane.js';
import type { RetryEntry } from '../store/lane-store.js';
import type { OwnedState } from './owned-state.js';
import type { Change, SettlementDraft } from './settlement-draft.js';
import { retryEntryOf, type TrackedDelivery } from './tracked-delivery.js';

/** Deliveries are handed to a consumer: stored before it gets them. */
export class GiveOut implements Change {
  constructor(
    private readonly state: OwnedState,
    private readonly deliveries: TrackedDelivery[],
  ) {}

  get size(): number {
    return this.deliveries.length;
  }

  apply(draft: SettlementDraft): void {
    for (const delivery of this.deliveries) {
      const lane = this.state.lane(delivery.shard);
      delivery.recorded = true;
      if (delivery.inRetry) draft.putRetry(lane, retryEntryOf(delivery, 'given', delivery.claimedUntil));
      else draft.touch(lane);
    }
  }

  undo(): void {
    for (const delivery of this.deliveries) delivery.recorded = false;
  }
}

/** How one try ends for the store. */
export type Fate =
  | { kind: 'acked' }
  | { kind: 'retry'; dueAt: number; error: string; firstFailedAt: number }
  | { kind: 'released'; dueAt: number }
  | { kind: 'dead'; diedAt: number; error: string; firstFailedAt: number };

/** Tries have ended. */
export class Settle implements Change {
  constructor(
    private readonly state: OwnedState,
    private readonly tries: { delivery: TrackedDelivery; fate: Fate }[],
  ) {}

  get size(): number {
    return this.tries.length;
  }

  apply(draft: SettlementDraft): void {
    for (const { delivery, fate } of this.tries) {
      const lane = this.state.lane(delivery.shard);
      draft.touch(lane);
      lane.inFlight.delete(delivery.offset);
      if (!delivery.inRetry) lane.settled.add(delivery.offset);
      const mayHaveRow = delivery.inRetry || delivery.mayHaveRow;
      if (mayHaveRow) this.state.settledMeanwhile?.add(`${delivery.shard}:${delivery.offset}`);
      if (fate.kind === 'retry') draft.putRetry(lane, retryEntryOf(delivery, 'due', fate.dueAt, fate));
      else if (fate.kind === 'released') draft.putRetry(lane, releasedEntry(delivery, fate.dueAt));
      else if (mayHaveRow) draft.deleteRetry(lane, delivery.offset);
      if (fate.kind === 'dead') this.#bury(draft, lane, delivery, fate);
    }
  }

  undo(): void {
    for (const { delivery, fate } of this.tries) {
      const lane = this.state.lane(delivery.shard);
      if (fate.kind !== 'acked') delivery.mayHaveRow = true;
      lane.inFlight.set(delivery.offset, delivery);
      if (!delivery.inRetry) lane.settled.remove(delivery.offset);
    }
  }

  #bury(draft: SettlementDraft, lane: Lane, delivery: TrackedDelivery, fate: Fate & { kind: 'dead' }): void {
    delivery.deadLetterId ??= newId();
    const { shard, offset, ref, attempt, deadLetterId } = delivery;
    const { error, firstFailedAt, diedAt } = fate;
    draft.bury(lane, { id: deadLetterId, shard, offset, ref, attempts: attempt, error, firstFailedAt, diedAt });
  }
}

/** As it was before the try that did not take place. */
function releasedEntry(delivery: TrackedDelivery, dueAt: number): RetryEntry {
  return { ...retryEntryOf(delivery, 'due', dueAt), attempt: delivery.attempt - 1 };
}

/** Claims were made longer or shorter. */
export class Extend implements Change {
  constructor(
    private readonly state: OwnedState,
    private readonly deliveries: TrackedDelivery[],
  ) {}

  get size(): number {
    return this.deliveries.length;
  }

  apply(draft: SettlementDraft): void {
    for (const delivery of this.deliveries) {
      // One that was settled meanwhile needs no claim any more.
      if (delivery.phase !== 'given') continue;
      const lane = this.state.lane(delivery.shard);
      if (delivery.inRetry) draft.putRetry(lane, retryEntryOf(delivery, 'given', delivery.claimedUntil));
      else draft.touch(lane);
    }
  }

  undo(): void {}
}

/** Deliveries leave memory for the retry store, where they wait for their ordering key. */
export class WaitInStore implements Change {
  constructor(
    private readonly state: OwnedState,
    private readonly deliveries: TrackedDelivery[],
    private readonly now: number,
  ) {}

  get size(): number {
    return this.deliveries.length;
  }

  apply(draft: SettlementDraft): void {
    for (const delivery of this.deliveries) {
      const lane = this.state.lane(delivery.shard);
      if (!delivery.inRetry) lane.settled.add(delivery.offset);
      draft.putRetry(lane, retryEntryOf(delivery, 'waiting_for_key', this.now));
    }
  }

  undo(): void {
    for (const delivery of this.deliveries) {
      delivery.mayHaveRow = true;
      if (!delivery.inRetry) this.state.lane(delivery.shard).settled.remove(delivery.offset);
    }
  }
}

/** Retry rows whose message is in memory from the log as well: one of the two is enough. */
export class DropRows implements Change {
  constructor(
    private readonly state: OwnedState,
    private readonly rows: { shard: number; offset: number }[],
  ) {}

  get size(): number {
    return this.rows.length;
  }

  apply(draft: SettlementDraft): void {
    for (const { shard, offset } of this.rows) draft.deleteRetry(this.state.lane(shard), offset);
  }

  undo(): void {}
}

/** Nothing but what is written along: cursors that moved over filtered messages. */
export const writeCursors: Change = { size: 0, apply() {}, undo() {} };
