import { setMaxListeners } from 'node:events';
import type { Delivery, DeliveryResult, OwnedSubscription, SubscriptionConsumer } from '../relay/owned-subscription.js';
import type { Logger } from '../runtime/logger.js';
import { DeliveryTaker } from './delivery-taker.js';
import { settleFirmly } from './settle-firmly.js';

export interface DeliveriesInHandOptions {
  /** How many may be in hand at once now. */
  concurrency(): number;
  /** How long one try may take at most. */
  tryMs(): number;
  /**
   * Tries one delivery and answers how it ended; null when the signal has ended it, so that this is not known. Must not throw.
   */
  deliver(delivery: Delivery, signal: AbortSignal): Promise<DeliveryResult | null>;
  /** How long `stop` waits for those in hand before it ends them. Default 20 s. */
  stopMs?: number | undefined;
}

/** Added to the time of a try for its claim: storing the outcome may take so long. */
const settleMs = 15_000;

/** Takes deliveries of one subscription, tries several at once, each by itself, and settles them as they end. */
export class DeliveriesInHand implements SubscriptionConsumer {
  readonly #taker: DeliveryTaker;
  readonly #inHand = new Set<Promise<void>>();
  readonly #ending = new AbortController();

  constructor(
    private readonly owned: OwnedSubscription,
    private readonly options: DeliveriesInHandOptions,
    private readonly logger: Logger,
  ) {
    // Every try in hand listens to it; their number has its own bound.
    setMaxListeners(0, this.#ending.signal);
    const taking = {
      free: () => options.concurrency() - this.#inHand.size,
      claimMs: () => options.tryMs() + settleMs,
      took: (deliveries: Delivery[]) => deliveries.forEach((delivery) => this.#begin(delivery)),
    };
    this.#taker = new DeliveryTaker(owned, taking, logger);
  }

  start(): Promise<void> {
    this.#taker.start();
    return Promise.resolve();
  }

  /** Takes nothing more and waits for those in hand; one that is not over in time is ended and stays unsettled. */
  async stop(): Promise<void> {
    await this.#taker.stop();
    const timer = setTimeout(() => this.#ending.abort(), this.options.stopMs ?? 20_000);
    await Promise.all(this.#inHand);
    clearTimeout(timer);
  }

  /** Takes nothing for so long. */
  hold(holdMs: number): void {
    this.#taker.hold(holdMs);
  }

  #begin(delivery: Delivery): void {
    const done = this.#deliver(delivery).finally(() => {
      this.#inHand.delete(done);
      this.#taker.wake();
    });
    this.#inHand.add(done);
  }

  async #deliver(delivery: Delivery): Promise<void> {
    const { signal } = this.#ending;
    // The process may have stood still since it was taken, and what it sends now come behind its successor's. Given back, it is
    // due again where this node is the owner all the same, and no more than refused where it is not.
    const result = this.owned.holds ? await this.options.deliver(delivery, signal) : ({ kind: 'release' } as const);
    // Ended by us: how it went is not known, so its claim decides.
    if (result !== null) await settleFirmly(this.owned, [{ ...delivery, result }], settleMs, signal, this.logger);
  }
}
