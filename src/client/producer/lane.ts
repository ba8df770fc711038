import type { Sized } from './send-budget.js';

export interface LaneBounds {
  /** Items of one batch. */
  batchItemsMax: number;
  /** Bytes of one batch; a larger load goes alone. */
  batchBytesMax: number;
  /** Batches under way at once. With 1, loads are sent in the order in which they were added. */
  inFlightMax: number;
}

/** What waits is spread over the batches that may begin, but not thinner than this: the calls cost more than it gains then. */
const loadsMin = 200;

/** Gathers what arrives in one turn of the event loop, or while as many batches as may be are under way, into batches. */
export class Lane<Load extends Sized> {
  readonly #waiting = new Set<Load>();
  #inFlight = 0;
  #scheduled = false;

  /** @param send ends when the batch is done with; does not reject */
  constructor(
    private readonly send: (batch: Load[]) => Promise<void>,
    private readonly bounds: LaneBounds,
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
      while (this.#inFlight < this.bounds.inFlightMax && this.#waiting.size > 0) {
        const free = this.bounds.inFlightMax - this.#inFlight;
        const batches = Math.max(1, Math.min(free, Math.floor(this.#waiting.size / loadsMin)));
        void this.#run(this.#cut(Math.ceil(this.#waiting.size / batches)));
      }
    });
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
    this.#inFlight += 1;
    await this.send(batch);
    this.#inFlight -= 1;
    this.#schedule();
  }
}
