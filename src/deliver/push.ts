import { setMaxListeners } from 'node:events';
import { CallbackFailure, type CallbackClient } from '../callback/callback-client.js';
import { signedHeaders } from '../callback/signer.js';
import type { Clock } from '../message/clock.js';
import { messageText } from '../message/message-json.js';
import type { Delivery, OwnedSubscription, SubscriptionConsumer } from '../relay/owned-subscription.js';
import type { Logger } from '../runtime/logger.js';
import { DeliveryTaker } from './delivery-taker.js';
import { judgeAnswer, judgeFailure, type PushVerdict } from './push-answer.js';
import { settleFirmly } from './settle-firmly.js';
import { reached } from '../message/step.js';

export interface PushParts {
  client: CallbackClient;
  /** Stores that the subscription is paused and why, and lets its owner know. */
  pause: (topic: string, group: string, reason: string) => Promise<unknown>;
  clock: Clock;
  logger: Logger;
  /** How long `stop` waits for the pushes in hand before it ends them. Default 20 s. */
  stopMs?: number;
}

/** Added to the time of a push for its claim: storing the outcome may take so long. */
const settleMs = 15_000;

/** After a 410 whose pause this node has not heard of: nothing is pushed for so long. */
const goneHoldMs = 10_000;

/**
 * Consumes a subscription of mode `push`: posts each message to its URL, signed by Standard Webhooks, at most
 * `push.concurrency` at once. The `webhook-id` is the message's id, the same for every attempt.
 */
export class PushConsumer implements SubscriptionConsumer {
  readonly #taker: DeliveryTaker;
  readonly #inHand = new Set<Promise<void>>();
  readonly #ending = new AbortController();
  #pausing = false;

  constructor(
    private readonly owned: OwnedSubscription,
    private readonly parts: PushParts,
  ) {
    // Every push in hand listens to it; their number has its own bound.
    setMaxListeners(0, this.#ending.signal);
    const options = {
      free: () => (this.#pausing ? 0 : (owned.config.push?.concurrency ?? 0) - this.#inHand.size),
      claimMs: () => (owned.config.push?.timeoutMs ?? 0) + settleMs,
      took: (deliveries: Delivery[]) => deliveries.forEach((delivery) => this.#begin(delivery)),
    };
    this.#taker = new DeliveryTaker(owned, options, parts.logger);
  }

  start(): Promise<void> {
    this.#taker.start();
    return Promise.resolve();
  }

  /** Takes nothing more and waits for the pushes in hand; one that is not over in time is ended and stays unsettled. */
  async stop(): Promise<void> {
    await this.#taker.stop();
    const timer = setTimeout(() => this.#ending.abort(), this.parts.stopMs ?? 20_000);
    await Promise.all(this.#inHand);
    clearTimeout(timer);
  }

  #begin(delivery: Delivery): void {
    const done = this.#deliver(delivery).finally(() => {
      this.#inHand.delete(done);
      this.#taker.wake();
    });
    this.#inHand.add(done);
  }

  async #deliver(delivery: Delivery): Promise<void> {
    const { logger } = this.parts;
    const verdict = await this.#push(delivery);
    // Ended by us: how it went is not known, so its claim decides.
    if (!verdict) return;
    reached('push.sent-before-settle');
    if (verdict.holdMs !== undefined) this.#taker.hold(verdict.holdMs);
    if (verdict.gone) await this.#pause();
    await settleFirmly(this.owned, [{ ...delivery, result: verdict.result }], settleMs, this.#ending.signal, logger);
  }

  async #push(delivery: Delivery): Promise<PushVerdict | null> {
    const { config, secrets, topic, group } = this.owned;
    // An unsigned message is never pushed: the target could not tell it from anybody's.
    if (!config.push || !secrets) return { result: { kind: 'nack', error: 'no push target or signing secret' } };
    const { client, clock, logger } = this.parts;
    const text = messageText(delivery.message, delivery);
    const headers = {
      'halfbox-topic': topic,
      'halfbox-group': group,
      'halfbox-message-id': delivery.message.id,
      'halfbox-attempt': String(delivery.attempt),
      ...signedHeaders(secrets, delivery.message.id, text, clock.now()),
    };
    try {
      const answer = await client.post(config.push.url, text, headers, config.push.timeoutMs, this.#ending.signal);
      return judgeAnswer(answer, clock.now());
    } catch (error) {
      if (error instanceof CallbackFailure) return error.kind === 'aborted' ? null : judgeFailure(error);
      logger.error({ err: error, topic, group }, 'a push failed unexpectedly');
      return { result: { kind: 'nack', error: 'the push failed unexpectedly' } };
    }
  }

  async #pause(): Promise<void> {
    if (this.#pausing || this.owned.paused) return;
    const { topic, group } = this.owned;
    this.#pausing = true;
    try {
      await this.parts.pause(topic, group, 'the push target answered 410 Gone');
      this.parts.logger.warn({ topic, group }, 'the push target answered 410 Gone: the subscription is paused');
    } catch (error) {
      // The next push meets the same answer and pauses it then.
      this.parts.logger.warn({ err: error, topic, group }, 'could not pause a subscription whose target is gone');
    }
    if (!this.owned.paused) this.#taker.hold(goneHoldMs);
    this.#pausing = false;
  }
}
