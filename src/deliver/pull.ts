import type { Clock } from '../message/clock.js';
import { Problem, type Outcome } from '../message/problem.js';
import type { Delivery, DeliveryId, DeliveryResult } from '../relay/owned-subscription.js';
import { silentLogger, type Logger } from '../runtime/logger.js';
import { giveBack, splitAt } from './give-back.js';
import { PullQueue } from './pull-queue.js';
import { PullSeveral } from './pull-several.js';
import type { PulledSubscription, ReceivedDelivery, ReceiveRequest } from './pulled-subscription.js';
import { Receipts } from './receipts.js';

/** What a consumer says about a delivery that it did not handle. */
export interface PullFailure {
  error?: string;
  /** Instead of the wait of the retry policy. */
  delayMs?: number;
  /** Straight to the dead letters. */
  deadLetter?: boolean;
  /** It was not begun: no attempt is counted. */
  release?: boolean;
}

/** Calls that wait for deliveries of one subscription, at most. */
const waitingMax = 1_000;

/** Bytes of the bodies of one answer, unless the settings say otherwise: 16 MiB. */
const receiveBytesMaxDefault = 16 * 1024 * 1024;

/** Receive, ack, nack and extend on the subscriptions that this node owns. */
export class Pull {
  readonly #queues = new WeakMap<PulledSubscription, PullQueue>();
  readonly #receipts = new Receipts();
  /** Receives from several subscriptions in one call. */
  readonly several: PullSeveral;

  /**
   * @param owned the subscription where this node owns it
   * @param receiveBytesMax bytes of the bodies of one answer; one delivery is given whatever its size
   */
  constructor(
    private readonly owned: (topic: string, group: string) => PulledSubscription | null,
    private readonly clock: Clock,
    private readonly receiveBytesMax = receiveBytesMaxDefault,
    private readonly logger: Logger = silentLogger,
  ) {
    this.several = new PullSeveral({ owned, clock, logger, receipts: this.#receipts, receiveBytesMax });
  }

  /**
   * Up to `max` deliveries, and `receiveBytesMax` of bodies: at once where some are ready, else as soon as there are, else none after `waitMs`.
   * Calls that wait are served in the order in which they came. `overloaded` beyond 1,000 of them; `unavailable` where
   * this node does not own the subscription.
   * @param signal aborted when the caller has gone: what was taken for it is due again at once, no attempt counted
   */
  async receive(
    topic: string,
    group: string,
    request: ReceiveRequest,
    signal?: AbortSignal,
  ): Promise<ReceivedDelivery[]> {
    const subscription = this.#owned(topic, group);
    subscription.markUsed(this.clock.now() + request.waitMs);
    const deliveries = await this.#take(subscription, request, signal);
    const taken = deliveries.map((delivery) => ({ subscription, delivery }));
    if (signal?.aborted === true) {
      await giveBack(taken, this.logger);
      return [];
    }
    const [given, beyond] = splitAt(this.receiveBytesMax, taken);
    if (beyond.length > 0) await giveBack(beyond, this.logger);
    return given.map(({ delivery }) => ({ receipt: this.#receipts.of(subscription, delivery), delivery }));
  }

  /** An outcome per receipt, in order: `receipt-expired` where that try is no longer the one given out, `validation-failed` for what is no receipt. */
  ack(topic: string, group: string, receipts: string[]): Promise<Outcome<true>[]> {
    return this.#settle(topic, group, receipts, { kind: 'ack' });
  }

  /**
   * As {@link ack}. The next try comes by the retry policy, or after `delayMs`; none comes with `deadLetter`. With
   * `release` it comes at once, and the one that ends here does not count.
   */
  nack(topic: string, group: string, receipts: string[], failure: PullFailure): Promise<Outcome<true>[]> {
    const result = resultOf(failure);
    return result.kind === 'release'
      ? this.#release(topic, group, receipts)
      : this.#settle(topic, group, receipts, result);
  }

  /** As {@link ack}: claims last `visibilityMs` from now on. */
  extend(topic: string, group: string, receipts: string[], visibilityMs: number): Promise<Outcome<true>[]> {
    return this.#each(topic, group, receipts, async (subscription, ids) => {
      const results = await subscription.extend(ids, visibilityMs);
      return results.map((result) => result === 'extended');
    });
  }

  async #take(
    subscription: PulledSubscription,
    request: ReceiveRequest,
    signal: AbortSignal | undefined,
  ): Promise<Delivery[]> {
    try {
      return await this.#queue(subscription).take(request, signal);
    } catch (error) {
      // It moved to another node while the call waited: the caller's next one goes there.
      const { topic, group } = subscription;
      if (request.waitMs > 0 && this.owned(topic, group) !== subscription) return [];
      throw error;
    }
  }

  #settle(topic: string, group: string, receipts: string[], result: DeliveryResult): Promise<Outcome<true>[]> {
    return this.#each(topic, group, receipts, async (subscription, ids) => {
      const results = await subscription.settle(ids.map((id) => ({ ...id, result })));
      return results.map((settled) => settled === 'settled');
    });
  }

  #release(topic: string, group: string, receipts: string[]): Promise<Outcome<true>[]> {
    return this.#each(topic, group, receipts, async (subscription, ids) => {
      // Noted before it is stored: from then on the delivery may be handed out again.
      const takeBacks = ids.map((id) => this.#receipts.release(subscription, id));
      let results: ('settled' | 'stale')[] = [];
      try {
        results = await subscription.settle(ids.map((id) => ({ ...id, result: { kind: 'release' } })));
      } finally {
        takeBacks.forEach((takeBack, index) => results[index] === 'settled' || takeBack());
      }
      return results.map((settled) => settled === 'settled');
    });
  }

  async #each(
    topic: string,
    group: string,
    receipts: string[],
    work: (subscription: PulledSubscription, ids: DeliveryId[]) => Promise<boolean[]>,
  ): Promise<Outcome<true>[]> {
    const subscription = this.#owned(topic, group);
    const read = receipts.map((receipt) => this.#receipts.read(subscription, receipt));
    const ids = read.filter((id) => typeof id !== 'string');
    const done = ids.length === 0 ? [] : await work(subscription, ids);
    let next = 0;
    return read.map((id, index): Outcome<true> => {
      if (id === 'malformed') return { problem: malformed(index) };
      if (id === 'foreign' || done[next++] !== true) return { problem: expired() };
      return { value: true };
    });
  }

  #owned(topic: string, group: string): PulledSubscription {
    const subscription = this.owned(topic, group);
    if (subscription !== null) return subscription;
    throw new Problem('unavailable', `this node does not own ${topic}/${group}`, { retryAfterMs: 1_000 });
  }

  #queue(subscription: PulledSubscription): PullQueue {
    let queue = this.#queues.get(subscription);
    if (queue === undefined) this.#queues.set(subscription, (queue = new PullQueue(subscription, waitingMax)));
    return queue;
  }
}

function resultOf({ error = 'nack', delayMs, deadLetter, release }: PullFailure): DeliveryResult {
  if (release === true) return { kind: 'release' };
  if (deadLetter === true) return { kind: 'reject', error };
  return delayMs === undefined ? { kind: 'nack', error } : { kind: 'nack', error, delayMs };
}

function malformed(index: number): Problem {
  return new Problem('validation-failed', 'this is not a receipt', {
    fields: [{ path: `receipts.${index}`, reason: 'must be a receipt as `receive` gave it' }],
  });
}

function expired(): Problem {
  return new Problem('receipt-expired', 'this try was settled, has expired, or was given out again');
}
