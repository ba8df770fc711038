import pRetry from 'p-retry';
import { bodyBytes, type NewMessage } from '../message/message.js';
import { Problem } from '../message/problem.js';
import { reached } from '../message/step.js';
import type { Delivery, DeliveryResult, OwnedSubscription, SubscriptionConsumer } from '../relay/owned-subscription.js';
import type { Logger } from '../runtime/logger.js';
import { DeliveryTaker } from './delivery-taker.js';
import { forwardCopy, hopsMax, hopsOf } from './forward-copy.js';
import { settleFirmly } from './settle-firmly.js';

/** Stores messages, all or none, idempotent by their ids (`Sender.send`). */
export type Send = (messages: NewMessage[]) => Promise<unknown>;

export interface ForwardParts {
  send: Send;
  logger: Logger;
  /** Messages in hand at once. Default 64. */
  batchMax?: number;
  /** Bytes of the bodies of one send, unless one body alone is larger. Default 1 MiB. */
  batchBytesMax?: number;
}

/** How long a send is tried again while the store is away or overloaded; then it is a failed attempt. */
const sendRetryMs = 20_000;

const settleMs = 15_000;

/**
 * Consumes a subscription of mode `forward`: sends a copy of each message to another topic. A copy has an id of its own
 * that is always the same for its message, so that one sent twice is stored once. Messages of one ordering key come one
 * at a time, so their copies keep the order.
 */
export class ForwardConsumer implements SubscriptionConsumer {
  readonly #taker: DeliveryTaker;
  readonly #ending = new AbortController();
  #inHand: Promise<void> | null = null;

  constructor(
    private readonly owned: OwnedSubscription,
    private readonly parts: ForwardParts,
  ) {
    const options = {
      free: () => (this.#inHand || topicOf(owned) === undefined ? 0 : (parts.batchMax ?? 64)),
      claimMs: () => sendRetryMs + settleMs,
      took: (deliveries: Delivery[]) => this.#begin(deliveries),
    };
    this.#taker = new DeliveryTaker(owned, options, parts.logger);
  }

  start(): Promise<void> {
    this.#taker.start();
    return Promise.resolve();
  }

  /** Takes nothing more and ends after the batch in hand; what the store refuses now is not tried again. */
  async stop(): Promise<void> {
    await this.#taker.stop();
    this.#ending.abort();
    await this.#inHand;
  }

  #begin(deliveries: Delivery[]): void {
    this.#inHand = this.#forwardAll(deliveries).finally(() => {
      this.#inHand = null;
      this.#taker.wake();
    });
  }

  async #forwardAll(deliveries: Delivery[]): Promise<void> {
    for (const batch of cut(deliveries, this.parts.batchBytesMax ?? 1024 * 1024)) {
      const results = await this.#forward(batch);
      reached('forward.sent-before-settle');
      const outcomes = batch.map((delivery, index) => ({ ...delivery, result: results[index]! }));
      await settleFirmly(this.owned, outcomes, settleMs, this.#ending.signal, this.parts.logger);
    }
  }

  async #forward(batch: Delivery[]): Promise<DeliveryResult[]> {
    const together = batch.filter(({ message }) => hopsOf(message) < hopsMax);
    const sentTogether = together.length > 0 ? await this.#send(together) : null;
    return Promise.all(
      batch.map(async (delivery): Promise<DeliveryResult> => {
        if (!together.includes(delivery)) return { kind: 'reject', error: 'forward-loop' };
        // What one of them alone is to blame for must not fail the others.
        const sent =
          sentTogether?.kind === 'ack' || together.length === 1 ? sentTogether : await this.#send([delivery]);
        return sent ?? { kind: 'nack', error: 'not-sent' };
      }),
    );
  }

  async #send(deliveries: Delivery[]): Promise<DeliveryResult> {
    const { topic, group } = this.owned;
    const target = topicOf(this.owned);
    if (target === undefined) return { kind: 'nack', error: 'no target topic' };
    const copies = deliveries.map(({ message }) => forwardCopy(topic, group, message, target));
    try {
      await pRetry(() => this.parts.send(copies), {
        retries: Number.POSITIVE_INFINITY,
        minTimeout: 200,
        maxTimeout: 2_000,
        maxRetryTime: sendRetryMs,
        shouldRetry: ({ error }) =>
          !this.#ending.signal.aborted &&
          error instanceof Problem &&
          (error.slug === 'unavailable' || error.slug === 'overloaded'),
      });
      return { kind: 'ack' };
    } catch (error) {
      if (error instanceof Problem) return { kind: 'nack', error: error.slug };
      this.parts.logger.error({ err: error, topic, group }, 'a forward failed unexpectedly');
      return { kind: 'nack', error: 'not-sent' };
    }
  }
}

/** The target; undefined while messages go to another system. */
function topicOf({ config: { forward } }: OwnedSubscription): string | undefined {
  return forward !== undefined && 'topic' in forward ? forward.topic : undefined;
}

/** Batches of at most so many bytes of bodies, in the same order; a larger body is a batch of its own. */
function cut(deliveries: Delivery[], bytesMax: number): Delivery[][] {
  const batches: Delivery[][] = [];
  let bytes = Infinity;
  for (const delivery of deliveries) {
    const size = bodyBytes(delivery.message.body);
    if (bytes + size > bytesMax) {
      batches.push([]);
      bytes = 0;
    }
    bytes += size;
    batches.at(-1)!.push(delivery);
  }
  return batches;
}
