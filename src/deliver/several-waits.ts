import { Problem } from '../message/problem.js';
import type { PulledSubscription } from './pull.js';

/** A subscription that is asked together with others. */
export interface Watched {
  readonly subscription: PulledSubscription;
  /** Something may have become ready since it was last found empty. */
  mayHave: boolean;
  /** When it was last asked (epoch ms). */
  askedAt: number;
}

/** One call that waits until one of its subscriptions may have something. */
class SeveralWait {
  readonly watched: ReadonlySet<Watched>;
  over = false;
  /** Ends its sleep, where it sleeps. */
  wake: () => void = () => undefined;

  constructor(watched: Iterable<Watched>) {
    this.watched = new Set(watched);
  }

  sleep(): Promise<void> {
    return new Promise((resolve) => (this.wake = resolve));
  }

  get mayHave(): boolean {
    for (const { mayHave } of this.watched) if (mayHave) return true;
    return false;
  }
}

/** Which subscriptions may have something, and the calls that wait for several of them: served first come, first served. */
export class SeveralWaits {
  /** One listener for each subscription, as long as this node owns it. */
  readonly #watched = new WeakMap<PulledSubscription, Watched>();
  readonly #sleeping = new Set<SeveralWait>();
  #count = 0;

  /** @param waitingMax calls that wait at most */
  constructor(private readonly waitingMax: number) {}

  watch(subscription: PulledSubscription): Watched {
    let watched = this.#watched.get(subscription);
    if (watched === undefined) {
      const made: Watched = { subscription, mayHave: true, askedAt: -Infinity };
      watched = made;
      this.#watched.set(subscription, made);
      subscription.onReady(() => this.ready(made));
    }
    return watched;
  }

  /** Something may have become ready: one of the calls that wait for it looks. */
  ready(watched: Watched): void {
    watched.mayHave = true;
    for (const wait of this.#sleeping) {
      if (!wait.watched.has(watched)) continue;
      this.#sleeping.delete(wait);
      return wait.wake();
    }
  }

  /**
   * Calls `look` whenever one of them may have something, until it answers; null after `waitMs`, or when the signal says so. A
   * look that is under way when the time is over still counts. `overloaded` where too many calls wait.
   */
  async wait<Found>(
    watched: Iterable<Watched>,
    waitMs: number,
    signal: AbortSignal | undefined,
    look: () => Promise<Found | null>,
  ): Promise<Found | null> {
    if (this.#count >= this.waitingMax) {
      throw new Problem('overloaded', `${this.waitingMax} calls wait for several subscriptions`, {
        retryAfterMs: 1_000,
      });
    }
    const wait = new SeveralWait(watched);
    const end = (): void => {
      wait.over = true;
      wait.wake();
    };
    const timer = setTimeout(end, waitMs);
    signal?.addEventListener('abort', end);
    this.#count += 1;
    try {
      return await this.#looked(wait, look);
    } finally {
      this.#count -= 1;
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      this.#passOn(wait);
    }
  }

  async #looked<Found>(wait: SeveralWait, look: () => Promise<Found | null>): Promise<Found | null> {
    for (;;) {
      // What became ready during the last look woke nobody here.
      if (!wait.over && !wait.mayHave) {
        this.#sleeping.add(wait);
        await wait.sleep();
        this.#sleeping.delete(wait);
      }
      if (wait.over && !wait.mayHave) return null;
      const found = await look();
      if (found !== null || wait.over) return found;
    }
  }

  /** What it was woken for and did not take is for the next one. */
  #passOn(wait: SeveralWait): void {
    if (this.#sleeping.size === 0) return;
    for (const watched of wait.watched) if (watched.mayHave) this.ready(watched);
  }
}
