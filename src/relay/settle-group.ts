import type { Clock } from '../message/clock.js';
import { Problem } from '../message/problem.js';
import type { LaneStore, Settlement } from '../store/lane-store.js';

/** One owned subscription that has something to write. It is asked for it as late as possible, so that more calls share the write. */
export interface SettlementSource {
  /** What to write now. */
  begin(): Settlement;
  stored(): void;
  /** The epoch is an older one: another owner has the subscription. Nothing was written, or just before that one came. */
  fenced(): void;
  /** Nothing was written, as far as is known. */
  failed(error: unknown): void;
}

/**
 * Writes what the node's subscriptions settled, several in one database transaction. One write of a subscription is
 * under way at a time, so that its writes keep their order.
 */
export class SettleGroup {
  #waiting: SettlementSource[] = [];
  #running = 0;
  #scheduled = false;

  constructor(
    private readonly store: Pick<LaneStore, 'settle'>,
    private readonly clock: Clock,
    private readonly bounds: { flushSubscriptionsMax: number; flushConcurrency: number },
  ) {}

  /** The source is called back once, in this order: `begin`, then one of the others. It must not ask again before that. */
  request(source: SettlementSource): void {
    this.#waiting.push(source);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#running >= this.bounds.flushConcurrency || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#run(this.#waiting.splice(0, this.bounds.flushSubscriptionsMax));
      this.#schedule();
    });
  }

  async #run(sources: SettlementSource[]): Promise<void> {
    this.#running += 1;
    const settlements = sources.map((source) => source.begin());
    try {
      await this.#write(sources, settlements);
    } finally {
      this.#running -= 1;
      this.#schedule();
    }
  }

  async #write(sources: SettlementSource[], settlements: Settlement[]): Promise<void> {
    let outcomes: ('stored' | 'fenced')[];
    try {
      outcomes = await this.store.settle(settlements, this.clock.now());
    } catch (error) {
      const away = error instanceof Problem && error.slug === 'unavailable';
      if (away || sources.length === 1) {
        for (const source of sources) source.failed(error);
        return;
      }
      // One subscription's write may have failed for a reason of its own: the others must not suffer for it.
      for (let index = 0; index < sources.length; index += 1)
        await this.#write([sources[index]!], [settlements[index]!]);
      return;
    }
    sources.forEach((source, index) => {
      if (outcomes[index] === 'stored') source.stored();
      else source.fenced();
    });
  }
}
