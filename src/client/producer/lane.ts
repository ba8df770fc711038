import type { Sized } from './send-budget.js';

export interface LaneBounds {
  /** Items of one batch. */
  batchItemsMax: number;
  /** Bytes of one batch; a larger load goes alone. */
  batchBytesMax: number;
  /** Batches under way at once. With 1, loads are sent in the order in which they were added. */
  inFlightMax: number;
}

/** Batches are not made thinner than this to have several under way: the calls cost more than it gains then. */
const loadsMin = 64;
/** Longest wait between the beginnings of two batches, however slow a broker is. */
const paceMsMax = 5;
/** Weight of the latest batch in the running mean of their times. */
const weight = 0.2;

/**
 * Gathers what arrives in one turn of the event loop, or while as many batches as may be are under way, into batches.
 * Where much is under way it is spread over several batches that begin a part of their time apart: callers that await
 * their messages otherwise end up in one batch together, and then broker and callers always wait for one another.
 */
export class Lane<Load extends Sized> {
  readonly #waiting = new Set<Load>();
  #inFlight = 0;
  #loadsInFlight = 0;
  #scheduled = false;
  #pacing = false;
  #lastBegunAt = -Infinity;
  /** Mean time of a batch, tries included. */
  #batchMs = 0;

  /**
   * @param send ends when the batch is done with; does not reject
   * @param spreads whether several batches under way at once are worth their cost
   */
  constructor(
    private readonly send: (batch: Load[]) => Promise<void>,
    private readonly bounds: LaneBounds,
    private readonly spreads: () => boolean = () => true,
  ) {}

  add(load: Load): void {
    this.#waiting.add(load);
    this.#schedule();
  }

  /** Takes a load back that has not been sent. */
  remove(load: Load): void {
    this.#waiting.delete(load);
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= this.bounds.inFlightMax || this.#waiting.size === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#begin();
    });
  }

  #begin(): void {
    while (this.#inFlight < this.bounds.inFlightMax && this.#waiting.size > 0) {
      const live = this.#waiting.size + this.#loadsInFlight;
      const batchesMax = this.spreads() ? this.bounds.inFlightMax : 1;
      const batches = Math.max(1, Math.min(batchesMax, Math.floor(live / loadsMin)));
      const paceMs = batches > 1 ? Math.min(paceMsMax, this.#batchMs / batches) : 0;
      const waitMs = this.#lastBegunAt + paceMs - performance.now();
      if (this.#inFlight > 0 && waitMs > 0) return this.#beginIn(waitMs);
      void this.#run(this.#cut(Math.ceil(live / batches)));
    }
  }

  #beginIn(waitMs: number): void {
    if (this.#pacing) return;
    this.#pacing = true;
    setTimeout(() => {
      this.#pacing = false;
      this.#begin();
    }, waitMs);
  }

  #cut(loadsMax: number): Load[] {
    const batch: Load[] = [];
    let items = 0;
    let bytes = 0;
    for (const load of this.#waiting) {
      items += load.size;
      bytes += load.bytes;
      const isFull = items > this.bounds.batchItemsMax || bytes > this.bounds.batchBytesMax || batch.length >= loadsMax;
      if (isFull && batch.length > 0) break;
      batch.push(load);
      this.#waiting.delete(load);
    }
    return batch;
  }

  async #run(batch: Load[]): Promise<void> {
    const begunAt = performance.now();
    this.#lastBegunAt = begunAt;
    this.#inFlight += 1;
    this.#loadsInFlight += batch.length;
    await this.send(batch);
    this.#batchMs += weight * (performance.now() - begunAt - this.#batchMs);
    this.#loadsInFlight -= batch.length;
    this.#inFlight -= 1;
    this.#schedule();
  }
}
