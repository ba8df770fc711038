import { Problem } from '../message/problem.js';
import type { Delivery, OwnedSubscription } from '../relay/owned-subscription.js';

/** One call that waits for deliveries. */
class PullWait {
  /** A take for it is under way: whatever that brings is its own, even when its time is over by then. */
  serving = false;
  over = false;

  constructor(
    readonly max: number,
    readonly claimMs: number,
    readonly resolve: (deliveries: Delivery[]) => void,
    readonly reject: (error: unknown) => void,
  ) {}

  /** Its time is over, or its caller has gone. */
  end(): void {
    this.over = true;
    if (!this.serving) this.resolve([]);
  }
}

/** The calls that wait for deliveries of one subscription: served first come, first served. */
export class PullQueue {
  readonly #waiting = new Set<PullWait>();
  #serving = false;
  #again = false;
  #unlisten: (() => void) | null = null;

  constructor(
    private readonly subscription: OwnedSubscription,
    private readonly waitingMax: number,
  ) {}

  /** Deliveries at once, or as soon as there are some; none when the time is over or the signal says so. */
  async take(
    { max, visibilityMs, waitMs }: { max: number; visibilityMs: number; waitMs: number },
    signal: AbortSignal | undefined,
  ): Promise<Delivery[]> {
    if (this.#waiting.size === 0 || waitMs === 0) {
      const deliveries = await this.subscription.take(max, visibilityMs);
      if (deliveries.length > 0 || waitMs === 0 || signal?.aborted === true) return deliveries;
    }
    if (this.#waiting.size >= this.waitingMax) {
      throw new Problem('overloaded', `${this.waitingMax} calls wait for this subscription`, { retryAfterMs: 1_000 });
    }
    return this.#wait(max, visibilityMs, waitMs, signal);
  }

  async #wait(max: number, claimMs: number, waitMs: number, signal: AbortSignal | undefined): Promise<Delivery[]> {
    let wait!: PullWait;
    const deliveries = new Promise<Delivery[]>((resolve, reject) => {
      wait = new PullWait(max, claimMs, resolve, reject);
    });
    const end = (): void => wait.end();
    const timer = setTimeout(end, waitMs);
    signal?.addEventListener('abort', end);
    this.#waiting.add(wait);
    this.#unlisten ??= this.subscription.onReady(() => void this.#serve());
    // Something may have become ready between the first look and now.
    void this.#serve();
    try {
      return await deliveries;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      this.#waiting.delete(wait);
      if (this.#waiting.size === 0) this.#stopListening();
    }
  }

  #stopListening(): void {
    this.#unlisten?.();
    this.#unlisten = null;
  }

  async #serve(): Promise<void> {
    this.#again = true;
    if (this.#serving) return;
    this.#serving = true;
    while (this.#again) {
      this.#again = false;
      while (await this.#serveFirst());
    }
    this.#serving = false;
  }

  /** Answers whether the next one may be served too. */
  async #serveFirst(): Promise<boolean> {
    const [wait] = this.#waiting;
    if (wait === undefined) return false;
    wait.serving = true;
    let served = true;
    try {
      const deliveries = await this.subscription.take(wait.max, wait.claimMs);
      served = deliveries.length > 0;
      if (served || wait.over) wait.resolve(deliveries);
    } catch (error) {
      wait.reject(error);
    }
    wait.serving = false;
    if (served || wait.over) this.#waiting.delete(wait);
    return served;
  }
}
