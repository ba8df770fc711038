import { Problem } from '../message/problem.js';
import type { PulledSubscription } from './pulled-subscription.js';

/** A subscription that is asked together with others. */
export interface Watched {
  readonly subscription: PulledSubscription;
  /** Something may have become ready since it was last found empty. */
  mayHave: boolean;
  /** How often it was told that it may. */
  signals: number;
  /** It was asked, and its answer is no longer waited for. */
  slow: boolean;
  /** How long its answer is waited for; undefined: as long as that of any. Doubled by each answer that comes too late. */
  patienceMs: number | undefined;
  /** When it was last asked (epoch ms). */
  askedAt: number;
  /** The higher, the later something of it was handed out; 0: never. */
  servedAs: number;
  /** The calls that wait for it, first come first. */
  readonly waits: Set<SeveralWait>;
}

/** Whether it is worth asking now. */
export function isAskable({ mayHave, slow }: Watched): boolean {
  return mayHave && !slow;
}

/** One call that waits until one of its subscriptions may have something. */
class SeveralWait {
  over = false;
  /** Ends its sleep; null while it is awake. */
  wake: (() => void) | null = null;

  async sleep(sleepMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      timer = setTimeout(resolve, sleepMs);
    });
    clearTimeout(timer);
    this.wake = null;
  }

  end(): void {
    this.over = true;
    this.wake?.();
  }
}

/** Which subscriptions may have something, and the calls that wait for several of them. */
export class SeveralWaits {
  /** One listener for each subscription, as long as this node owns it. */
  readonly #watched = new WeakMap<PulledSubscription, Watched>();
  #names = 0;

  /**
   * @param namesMax subscriptions of all calls that wait, at most
   * @param sleepMs after so long a call that waits looks again, whatever it was told
   */
  constructor(
    private readonly namesMax: number,
    private readonly sleepMs: number,
  ) {}

  watch(subscription: PulledSubscription): Watched {
    let watched = this.#watched.get(subscription);
    if (watched === undefined) {
      const never = { askedAt: -Infinity, servedAs: 0, signals: 0, patienceMs: undefined };
      const made: Watched = { subscription, mayHave: true, slow: false, ...never, waits: new Set() };
      watched = made;
      this.#watched.set(subscription, made);
      subscription.onReady(() => this.#ready(made));
    }
    return watched;
  }

  /** The first of the calls that wait for it looks. */
  wake(watched: Watched): void {
    for (const wait of watched.waits) {
      if (wait.wake === null) continue;
      wait.wake();
      // It is woken once; the next signal is for the next one.
      wait.wake = null;
      return;
    }
  }

  /**
   * Calls `look` whenever one of them may have something, until it answers; null after `waitMs`, or when the signal says so. A
   * look that is under way when the time is over still counts. `overloaded` where too many wait.
   */
  async wait<Found>(
    watched: Watched[],
    waitMs: number,
    signal: AbortSignal | undefined,
    look: () => Promise<Found | null>,
  ): Promise<Found | null> {
    if (this.#names + watched.length > this.namesMax) {
      const detail = `calls wait for ${this.#names} subscriptions, and ${this.namesMax} are the most`;
      throw new Problem('overloaded', detail, { retryAfterMs: 1_000 });
    }
    const wait = new SeveralWait();
    const end = (): void => wait.end();
    const timer = setTimeout(end, waitMs);
    signal?.addEventListener('abort', end);
    this.#names += watched.length;
    for (const { waits } of watched) waits.add(wait);
    try {
      return await this.#looked(wait, watched, look);
    } finally {
      this.#names -= watched.length;
      for (const { waits } of watched) waits.delete(wait);
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      // What may be there and was not taken is for others that wait.
      for (const one of watched) if (isAskable(one)) this.wake(one);
    }
  }

  #ready(watched: Watched): void {
    watched.mayHave = true;
    watched.signals += 1;
    this.wake(watched);
  }

  async #looked<Found>(
    wait: SeveralWait,
    watched: Watched[],
    look: () => Promise<Found | null>,
  ): Promise<Found | null> {
    for (;;) {
      // What became ready during the last look woke nobody here.
      if (!wait.over && !watched.some(isAskable)) await wait.sleep(this.sleepMs);
      if (wait.over && !watched.some(isAskable)) return null;
      const found = await look();
      if (found !== null || wait.over) return found;
    }
  }
}
