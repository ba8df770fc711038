import { LocalTransactionTimeout, SendBufferFull, TransactionRepeated } from '../errors.js';
import type { Clock } from '../../message/clock.js';

/** The time of this process, which no one sets back. */
const steadyClock: Clock = { now: () => performance.now() };

/**
 * The transactions that this process has in hand: from before their prepare until their local COMMIT was answered, was
 * rolled back, or is given up as unknown. Check-backs about them are answered `unknown`.
 */
export class InHand {
  readonly #held = new Set<string>();

  /**
   * @param max transactions at once. Default 10,000
   * @param clock measures the limits of transactions; only differences count
   */
  constructor(
    private readonly max = 10_000,
    private readonly clock: Clock = steadyClock,
  ) {}

  /** How many there are. */
  get size(): number {
    return this.#held.size;
  }

  has(transactionId: string): boolean {
    return this.#held.has(transactionId);
  }

  /**
   * Takes a transaction in hand; its limit of `limitMs` begins now.
   * @throws TransactionRepeated when it is in hand already
   * @throws SendBufferFull when there are `max`
   */
  take(transactionId: string, limitMs: number): HeldTransaction {
    if (this.#held.has(transactionId)) throw new TransactionRepeated(transactionId);
    if (this.#held.size >= this.max) throw new SendBufferFull(`${this.max} transactions in hand`);
    this.#held.add(transactionId);
    return new HeldTransaction(transactionId, limitMs, this.clock, () => this.#held.delete(transactionId));
  }
}

/** One transaction in hand, and the time that is left for it. */
export class HeldTransaction {
  readonly #deadline: number;
  #isReleased = false;

  constructor(
    readonly id: string,
    private readonly limitMs: number,
    private readonly clock: Clock,
    private readonly onRelease: () => void,
  ) {
    this.#deadline = clock.now() + limitMs;
  }

  get remainingMs(): number {
    return Math.max(0, this.#deadline - this.clock.now());
  }

  /** @throws LocalTransactionTimeout after the limit */
  assertInTime(): void {
    if (this.remainingMs === 0) throw new LocalTransactionTimeout(this.id, this.limitMs);
  }

  /** The result, or a `LocalTransactionTimeout` at the limit; what is then still under way is not ended by it. */
  async inTime<Result>(under: Promise<Result>): Promise<Result> {
    return within(this.remainingMs, under, () => new LocalTransactionTimeout(this.id, this.limitMs));
  }

  /** Check-backs are answered by the fence from now on. Repeating it does nothing. */
  release(): void {
    // The id may be in hand again by now, for another attempt.
    if (!this.#isReleased) this.onRelease();
    this.#isReleased = true;
  }
}

/** The result, or an error after `ms`. */
export async function within<Result>(ms: number, under: Promise<Result>, tooLate: () => Error): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(tooLate()), ms);
  });
  try {
    return await Promise.race([under, late]);
  } finally {
    clearTimeout(timer);
    // When it is too late nobody waits for its error.
    under.catch(() => undefined);
  }
}
