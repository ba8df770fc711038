/** Work that waits in this process should be done within this time, so that it is not kept from other consumers. */
const aimMs = 1_000;
/** Weight of the latest handler in the running mean. */
const weight = 0.05;

export interface PrefetchBounds {
  concurrency: number;
  prefetchMax: number;
  prefetchCharactersMax: number;
}

/** How many deliveries should wait in this process: about a second's work, within the bounds of count and size. */
export class Prefetch {
  /** Undefined until a first handler has ended: nothing waits before that. */
  #meanMs: number | undefined;
  #meanCharacters = 4_096;

  constructor(private readonly bounds: PrefetchBounds) {}

  handled(durationMs: number): void {
    this.#meanMs = this.#meanMs === undefined ? durationMs : this.#meanMs + weight * (durationMs - this.#meanMs);
  }

  /** One message of a batch stands for its size. */
  sampled(message: unknown): void {
    this.#meanCharacters += (JSON.stringify(message).length - this.#meanCharacters) / 4;
  }

  get max(): number {
    if (this.#meanMs === undefined) return 0;
    const { concurrency, prefetchMax, prefetchCharactersMax } = this.bounds;
    const bySpeed = Math.floor((concurrency * aimMs) / Math.max(this.#meanMs, 0.01));
    return Math.min(prefetchMax, bySpeed, Math.floor(prefetchCharactersMax / this.#meanCharacters));
  }
}
