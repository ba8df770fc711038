/** Times of a producer's back-off, in milliseconds. */
export interface Backoff {
  backoffMs: number;
  backoffMsMax: number;
}

/** The wait after so many failures in a row, the first of which counts 1. */
export function backoffAfter(failures: number, { backoffMs, backoffMsMax }: Backoff): number {
  return Math.min(backoffMsMax, backoffMs * 2 ** Math.min(failures - 1, 30));
}

/**
 * Circuit breaker of one producer: an ask without an answer opens it for a back-off that doubles, an answer closes it.
 * The back-off follows the store's clock, so that it can be tested and agrees with the due times it sets.
 */
export class Reachability {
  #failures = 0;
  #openUntil = 0;
  #failedAt = 0;
  #round = 0;

  constructor(private readonly backoff: Backoff) {}

  /** True from the first unanswered ask to the next answered one. */
  get unreachable(): boolean {
    return this.#failures > 0;
  }

  /** Names the time since the last opening; asks carry it, so that those of before count once together. */
  get round(): number {
    return this.#round;
  }

  /** When an ask was last without an answer (epoch ms); 0 when none was. */
  get failedAt(): number {
    return this.#failedAt;
  }

  /** When it may be asked again (epoch ms). */
  get openUntil(): number {
    return this.#openUntil;
  }

  isOpen(now: number): boolean {
    return now < this.#openUntil;
  }

  /** It answered, or somebody else is there to be asked. */
  answered(): void {
    this.#failures = 0;
    this.#openUntil = 0;
  }

  /** @param round as it was when the ask started; a failure of an earlier round has been counted already */
  failed(round: number, now: number): void {
    if (round !== this.#round) return;
    this.#failures += 1;
    this.#failedAt = now;
    this.#round += 1;
    this.#openUntil = now + backoffAfter(this.#failures, this.backoff);
  }
}
