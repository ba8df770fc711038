import { CallbackFailure, type CallbackClient } from '../callback/callback-client.js';
import { signedHeaders } from '../callback/signer.js';
import type { Clock } from '../message/clock.js';
import { messageText } from '../message/message-json.js';
import { reached } from '../message/step.js';
import type { Delivery, DeliveryResult, OwnedSubscription, SubscriptionConsumer } from '../relay/owned-subscription.js';
import type { Logger } from '../runtime/logger.js';
import { DeliveriesInHand } from './deliveries-in-hand.js';
import { judgeAnswer, judgeFailure, type PushVerdict } from './push-answer.js';

export interface PushParts {
  client: CallbackClient;
  /** Stores that the subscription is paused and why, and lets its owner know. */
  pause: (topic: string, group: string, reason: string) => Promise<unknown>;
  clock: Clock;
  logger: Logger;
  /** How long `stop` waits for the pushes in hand before it ends them. Default 20 s. */
  stopMs?: number;
}

/** After a 410 whose pause this node has not heard of: nothing is pushed for so long. */
const goneHoldMs = 10_000;

/**
 * Consumes a subscription of mode `push`: posts each message to its URL, signed by Standard Webhooks, at most
 * `push.concurrency` at once. The `webhook-id` is the message's id, the same for every attempt.
 */
export class PushConsumer implements SubscriptionConsumer {
  readonly #inHand: DeliveriesInHand;
  #pausing = false;

  constructor(
    private readonly owned: OwnedSubscription,
    private readonly parts: PushParts,
  ) {
    const options = {
      concurrency: () => (this.#pausing ? 0 : (owned.config.push?.concurrency ?? 0)),
      tryMs: () => owned.config.push?.timeoutMs ?? 0,
      deliver: (delivery: Delivery, signal: AbortSignal) => this.#deliver(delivery, signal),
      stopMs: parts.stopMs,
    };
    this.#inHand = new DeliveriesInHand(owned, options, parts.logger);
  }

  start(): Promise<void> {
    return this.#inHand.start();
  }

  /** Takes nothing more and waits for the pushes in hand; one that is not over in time is ended and stays unsettled. */
  stop(): Promise<void> {
    return this.#inHand.stop();
  }

  async #deliver(delivery: Delivery, signal: AbortSignal): Promise<DeliveryResult | null> {
    const verdict = await this.#push(delivery, signal);
    if (!verdict) return null;
    reached('push.sent-before-settle');
    if (verdict.holdMs !== undefined) this.#inHand.hold(verdict.holdMs);
    if (verdict.gone) await this.#pause();
    return verdict.result;
  }

  async #push(delivery: Delivery, signal: AbortSignal): Promise<PushVerdict | null> {
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
      const answer = await client.post(config.push.url, text, headers, config.push.timeoutMs, signal);
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
    if (!this.owned.paused) this.#inHand.hold(goneHoldMs);
    this.#pausing = false;
  }
}
