import type { Logger } from '../runtime/logger.js';
import type { Delivery, OwnedSubscription } from '../relay/owned-subscription.js';

export interface TakerOptions {
  /** How many more deliveries the consumer can have in hand now. */
  free(): number;
  /** How long a delivery's claim must hold: the time of one try and of storing its outcome. */
  claimMs(): number;
  /** Given what was taken. Must not throw. */
  took(deliveries: Delivery[]): void;
}

/** Wait after a take that failed. */
const takeRetryMs = 1_000;

/** Takes deliveries of one subscription whenever there are some and its consumer has room, one take at a time. */
export class DeliveryTaker {
  #started = false;
  #woken = false;
  #taking: Promise<void> | null = null;
  #heldUntil = 0;
  #timer: NodeJS.Timeout | undefined;
  #unlisten: () => void = () => {};

  constructor(
    private readonly owned: OwnedSubscription,
    private readonly options: TakerOptions,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.#started = true;
    this.#unlisten = this.owned.onReady(() => this.wake());
    this.wake();
  }

  /** Resolves after the take in hand; what it took is given to the consumer. */
  async stop(): Promise<void> {
    this.#started = false;
    this.#unlisten();
    clearTimeout(this.#timer);
    await this.#taking;
  }

  /** To be called when the consumer has room again. */
  wake(): void {
    this.#woken = true;
    if (this.#started && !this.#taking) this.#taking = this.#takeAll();
  }

  /** Takes nothing for so long. A longer hold that is in force stays. */
  hold(holdMs: number): void {
    this.#heldUntil = Math.max(this.#heldUntil, performance.now() + holdMs);
  }

  async #takeAll(): Promise<void> {
    // Never in the caller's turn: what became ready together is taken together.
    await Promise.resolve();
    while (this.#started && this.#woken) {
      this.#woken = false;
      const free = this.options.free();
      if (free <= 0 || this.#held()) break;
      // Only ever set here: a wake-up that comes during the take must not be lost.
      if (await this.#take(free)) this.#woken = true;
    }
    this.#taking = null;
    // Woken after the last look.
    if (this.#woken && this.#started && !this.#held()) this.wake();
  }

  /** True when there may be more to take at once. */
  async #take(max: number): Promise<boolean> {
    try {
      const deliveries = await this.owned.take(max, this.options.claimMs());
      if (deliveries.length > 0) this.options.took(deliveries);
      return deliveries.length >= max;
    } catch (error) {
      const { topic, group } = this.owned;
      this.logger.warn({ err: error, topic, group }, 'could not take deliveries');
      this.hold(takeRetryMs);
      this.#held();
      return false;
    }
  }

  /** Whether a hold is in force; then the end of it wakes. */
  #held(): boolean {
    const holdMs = this.#heldUntil - performance.now();
    if (holdMs <= 0) return false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.wake(), Math.ceil(holdMs));
    return true;
  }
}
