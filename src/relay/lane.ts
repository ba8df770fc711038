import type { LogChunk } from '../message/ref.js';
import type { GivenRange, LaneCursor } from '../store/lane-store.js';
import { OffsetSet } from './offset-ranges.js';
import type { OrderGate } from './order-gate.js';
import type { ReadAheadShare } from './read-ahead.js';
import { ReadyQueue } from './ready-queue.js';
import type { RelaySettings } from './relay-settings.js';
import type { TagFilter } from '../message/tag-filter.js';
import { trackedFromLog, type TrackedDelivery } from './tracked-delivery.js';

/** What reading a part of the log brought, beside what became ready or waits in memory. */
export interface Page {
  /** Entries of busy keys for which there was no room in memory, in offset order. */
  overflow: TrackedDelivery[];
  /** Whether an entry after the first of those became ready. */
  readyAfterOverflow: boolean;
  /** Offsets that the log no longer has. */
  missing: number;
}

const none: readonly never[] = [];

export const emptyPage = (): Page => ({ overflow: [], readyAfterOverflow: false, missing: 0 });

/** One subscription's work on one shard: what of the log has been read, is ready, is with a consumer, is settled. */
export class Lane {
  readonly settled: OffsetSet;
  /** May be given out now, in the order in which it should be. */
  readonly ready: ReadyQueue<TrackedDelivery>;
  /** By offset: given out, or about to be, and not settled. */
  readonly inFlight = new Map<number, TrackedDelivery>();
  /** The next offset to read. */
  readOffset: number;
  /** The end of the shard as far as this node knows. */
  headOffset = 0;
  /** Deliveries that wait in memory behind a busy key. */
  held = 0;
  /** Read, but not yet moved to the retry store; nothing more is read before they are. */
  overflow: readonly TrackedDelivery[] = none;
  /** Reading waits until then (epoch ms), or until a key was passed on. */
  stalledUntil = 0;
  lastPassedOnAt = -Infinity;
  /** `OwnedState.asked` when reading last brought something that is ready. */
  served = 0;
  /** The cursor moved and was not written yet. */
  dirty = false;
  /** One more than the highest offset that a takeover found with a consumer: such offsets are not read again. */
  inheritedEnd = 0;
  /**
   * Deliveries that an earlier owner left waiting in the retry store, by offset: they are asked for when the log below
   * them was read.
   */
  inheritedWaiting: readonly { keyHash: string; offset: number }[] = none;
  /** Offsets that were loaded from the retry store and are ready. Made when needed: most lanes are idle. */
  #readyRetries: Set<number> | null = null;
  /** Offsets whose outcomes are being stored. Made when needed too. */
  #settling: Set<number> | null = null;

  constructor(
    readonly shard: number,
    cursor: Pick<LaneCursor, 'settledOffset' | 'settledAbove'>,
    private readonly settings: Pick<RelaySettings, 'heldBackMax' | 'settledRunsMax' | 'windowMin'>,
    private readonly readAhead: ReadAheadShare,
  ) {
    this.ready = new ReadyQueue(readAhead);
    this.settled = new OffsetSet(cursor.settledOffset, cursor.settledAbove);
    this.readOffset = this.settled.floor;
  }

  /** Whether reading the log now could bring something that there is room for, where so many may be ready. */
  wantsToRead(now: number, window: number): boolean {
    return (
      window > 0 &&
      this.readOffset < this.headOffset &&
      this.ready.length * 2 <= window &&
      this.overflow.length === 0 &&
      this.stalledUntil <= now
    );
  }

  /**
   * Whether a chunk that was just appended may be taken in as it is: it comes next, and there is room for all of it,
   * also where each of its entries is filtered and makes a run of its own.
   */
  follows(chunk: LogChunk, window: number): boolean {
    return (
      chunk.firstOffset === this.readOffset &&
      this.overflow.length === 0 &&
      this.ready.length < window &&
      this.held + chunk.refs.length <= this.#heldMax &&
      this.settled.runs + chunk.refs.length <= this.settings.settledRunsMax
    );
  }

  /** Takes in what a chunk has from `readOffset` on. Filtered entries are settled at once; `readOffset` moves behind the chunk. */
  ingest(chunk: LogChunk, filter: TagFilter, gate: OrderGate, page: Page): void {
    const end = chunk.firstOffset + chunk.refs.length;
    if (chunk.firstOffset > this.readOffset) page.missing += this.#skipMissing(chunk.firstOffset);
    const settledEnd = this.settled.end;
    // As `follows` has seen it: what is ingested may fill the node.
    const heldMax = this.#heldMax;
    for (let offset = this.readOffset; offset < end; offset += 1) {
      if (offset < settledEnd && this.settled.has(offset)) continue;
      if (offset < this.inheritedEnd && this.inFlight.has(offset)) continue;
      const ref = chunk.refs[offset - chunk.firstOffset]!;
      if (!filter(ref.tag)) {
        this.settled.add(offset);
        this.dirty = true;
        continue;
      }
      const delivery = trackedFromLog(this.shard, offset, ref);
      if (ref.keyHash === undefined || gate.enter(ref.keyHash, offset)) {
        this.ready.push(delivery);
        page.readyAfterOverflow ||= page.overflow.length > 0;
      } else if (page.overflow.length === 0 && this.#roomToHold(heldMax)) {
        gate.hold(ref.keyHash, delivery);
        this.held += 1;
        this.readAhead.add(1);
      } else page.overflow.push(delivery);
    }
    if (end > this.readOffset) this.readOffset = this.settled.nextOutside(end);
    this.headOffset = Math.max(this.headOffset, this.readOffset);
  }

  /** Whether the delivery is in memory, on its way: not waiting for a retry, nor dead. */
  isUnderWay(offset: number): boolean {
    if (!this.settled.has(offset) || this.inFlight.has(offset) || this.hasReadyRetry(offset)) return true;
    return this.isSettling(offset);
  }

  /** Whether an outcome is being stored: until the answer, it is not known what the store has of the offset. */
  isSettling(offset: number): boolean {
    return this.#settling !== null && this.#settling.has(offset);
  }

  setSettling(offset: number, settling: boolean): void {
    if (settling) (this.#settling ??= new Set()).add(offset);
    else this.#settling?.delete(offset);
  }

  hasReadyRetry(offset: number): boolean {
    return this.#readyRetries !== null && this.#readyRetries.has(offset);
  }

  /** A delivery of the retry store became ready, or is ready no longer. */
  setReadyRetry(offset: number, ready: boolean): void {
    if (ready) (this.#readyRetries ??= new Set()).add(offset);
    else this.#readyRetries?.delete(offset);
  }

  /**
   * The row of a delivery in the retry store stands for what the log has at its offset: a dead letter that was redriven after a
   * seek, or a row whose cursor an earlier owner took back, not knowing that both had been stored. False where the log was
   * read that far: then its entry does.
   */
  replaceByRow(offset: number): boolean {
    if (this.settled.has(offset)) return true;
    if (offset < this.readOffset) return false;
    this.settled.add(offset);
    this.readOffset = this.settled.nextOutside(this.readOffset);
    this.dirty = true;
    return true;
  }

  /** A delivery that waited in memory has its key now: it is the next to go. */
  releaseHeld(delivery: TrackedDelivery): void {
    this.ready.unshift(delivery);
    this.#heldLess();
  }

  /** A delivery that waited in memory is not wanted any more. */
  settleHeld(delivery: TrackedDelivery): void {
    this.settled.add(delivery.offset);
    this.dirty = true;
    this.#heldLess();
  }

  #heldLess(): void {
    this.held -= 1;
    this.readAhead.add(-1);
    // Reading on only once there is room for much: else each released delivery would cost a read.
    if (this.held * 2 <= this.settings.heldBackMax) this.stalledUntil = 0;
  }

  /** A delivery that an earlier owner left in the retry store must wait until the log below it was read. */
  awaitRead(keyHash: string, offset: number): void {
    this.inheritedWaiting = [...this.inheritedWaiting, { keyHash, offset }].sort((a, b) => a.offset - b.offset);
  }

  /** Inherited waiting deliveries whose part of the log has been read by now. */
  passedInheritedWaiting(): string[] {
    let count = 0;
    while (count < this.inheritedWaiting.length && this.inheritedWaiting[count]!.offset < this.readOffset) count += 1;
    if (count === 0) return [];
    const passed = this.inheritedWaiting.slice(0, count).map(({ keyHash }) => keyHash);
    this.inheritedWaiting = this.inheritedWaiting.slice(count);
    return passed;
  }

  /** What to store of this lane. */
  cursor(): LaneCursor {
    const { floor } = this.settled;
    return { shard: this.shard, settledOffset: floor, settledAbove: this.settled.above(), given: this.#given() };
  }

  #given(): GivenRange[] {
    const given: TrackedDelivery[] = [];
    for (const delivery of this.inFlight.values()) if (delivery.recorded && !delivery.inRetry) given.push(delivery);
    given.sort((a, b) => a.offset - b.offset);
    const ranges: GivenRange[] = [];
    for (const { offset, claimedUntil } of given) {
      const last = ranges[ranges.length - 1];
      if (last !== undefined && last.to === offset && last.dueAt === claimedUntil) last.to += 1;
      else ranges.push({ from: offset, to: offset + 1, dueAt: claimedUntil });
    }
    return ranges;
  }

  get #heldMax(): number {
    const { heldBackMax, windowMin } = this.settings;
    return this.readAhead.node.isFull ? Math.min(windowMin, heldBackMax) : heldBackMax;
  }

  #roomToHold(heldMax: number): boolean {
    return this.held < heldMax && this.settled.runs < this.settings.settledRunsMax;
  }

  #skipMissing(to: number): number {
    let missing = 0;
    for (let from = this.readOffset; from < to; from = this.settled.nextOutside(from)) {
      missing += 1;
      from += 1;
    }
    this.settled.add(this.readOffset, to);
    this.readOffset = to;
    this.dirty = true;
    return missing;
  }
}
