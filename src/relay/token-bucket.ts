/** A part of the rate that may be saved up, so that deliveries can be given out in batches. */
const burstSeconds = 0.1;

/** Lets `ratePerSecond` things pass in a second, and at most a tenth of that (at least one) at once after a pause. */
export class TokenBucket {
  #tokens: number;
  #refilledAt: number;

  /** @param now epoch ms, as in every call */
  constructor(
    readonly ratePerSecond: number,
    now: number,
  ) {
    this.#tokens = this.#capacity;
    this.#refilledAt = now;
  }

  /** How many may pass now. */
  available(now: number): number {
    this.#refill(now);
    // A hair above the sum of fractions, so that a wait until `nextAt` is always enough.
    return Math.floor(this.#tokens + 1e-6);
  }

  take(count: number): void {
    this.#tokens -= count;
  }

  /** When the next one may pass (epoch ms); now or earlier where one may pass already. */
  nextAt(now: number): number {
    this.#refill(now);
    return now + Math.ceil(((1 - this.#tokens) * 1000) / this.ratePerSecond);
  }

  get #capacity(): number {
    return Math.max(1, this.ratePerSecond * burstSeconds);
  }

  #refill(now: number): void {
    // A clock that was set back gives nothing, and takes nothing away.
    const elapsedMs = Math.max(0, now - this.#refilledAt);
    this.#refilledAt = now;
    this.#tokens = Math.min(this.#capacity, this.#tokens + (elapsedMs * this.ratePerSecond) / 1000);
  }
}
