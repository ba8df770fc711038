import { MicroserviceFailure } from '../callback/microservice-failure.js';
import { messageJson } from '../message/message-json.js';
import { reached } from '../message/step.js';
import type { ForwardTarget } from '../message/subscription.js';
import type { Delivery, DeliveryResult, OwnedSubscription, SubscriptionConsumer } from '../relay/owned-subscription.js';
import type { Logger } from '../runtime/logger.js';
import { DeliveriesInHand } from './deliveries-in-hand.js';
import type { ExternalMessage, ExternalSender } from './external-sender.js';

export interface ExternalForwardParts {
  sender: ExternalSender;
  logger: Logger;
  /** Messages in hand at once, those that wait for their confirmation. Default 64. */
  concurrency?: number;
  /** How long a confirmation is waited for; then it is a failed attempt. Default 15 s. */
  confirmMs?: number;
  /** Wait after a message that the transport could not take; doubles with each one more. Default 1 s. */
  downMs?: number;
  /** Bound of that wait. Default 30 s. */
  downMsMax?: number;
  /** How long `stop` waits for the messages in hand. Default 20 s. */
  stopMs?: number;
}

/** The target of a forward to another system; null for one to a topic of this broker. */
export function externalTarget(target: ForwardTarget | undefined): { transport: string; pattern: string } | null {
  return target !== undefined && 'transport' in target ? target : null;
}

/**
 * Consumes a subscription of mode `forward` whose target is another system: emits each message and acknowledges it when
 * the transport has confirmed. Messages of one ordering key come one at a time, so each is confirmed before the next is
 * sent. While the transport takes nothing, one message at a time finds out whether it does again, so that a long outage
 * uses up the attempts of few.
 */
export class ExternalForwardConsumer implements SubscriptionConsumer {
  readonly #inHand: DeliveriesInHand;
  /** Times in a row that the transport took nothing. */
  #failures = 0;
  #heldUntil = 0;

  constructor(
    private readonly owned: OwnedSubscription,
    private readonly parts: ExternalForwardParts,
  ) {
    const options = {
      concurrency: () => this.#concurrency(),
      tryMs: () => this.#confirmMs,
      deliver: (delivery: Delivery, signal: AbortSignal) => this.#forward(delivery, signal),
      stopMs: parts.stopMs,
    };
    this.#inHand = new DeliveriesInHand(owned, options, parts.logger);
  }

  start(): Promise<void> {
    return this.#inHand.start();
  }

  /** Takes nothing more and waits for the messages in hand; one that is not confirmed in time stays unsettled. */
  stop(): Promise<void> {
    return this.#inHand.stop();
  }

  get #confirmMs(): number {
    return this.parts.confirmMs ?? 15_000;
  }

  #concurrency(): number {
    if (!externalTarget(this.owned.config.forward)) return 0;
    return this.#failures > 0 ? 1 : (this.parts.concurrency ?? 64);
  }

  async #forward(delivery: Delivery, signal: AbortSignal): Promise<DeliveryResult | null> {
    const result = await untilEnded(this.#emit(delivery), signal);
    if (result) reached('forward.confirmed-before-settle');
    return result;
  }

  async #emit(delivery: Delivery): Promise<DeliveryResult> {
    const { topic, group, config } = this.owned;
    const target = externalTarget(config.forward);
    if (!target) return { kind: 'nack', error: 'no target transport' };
    try {
      const message = externalMessage(topic, group, delivery);
      await this.parts.sender.emit(target.transport, target.pattern, message, this.#confirmMs);
      this.#failures = 0;
      return { kind: 'ack' };
    } catch (error) {
      if (!(error instanceof MicroserviceFailure)) {
        this.parts.logger.error({ err: error, topic, group }, 'a forward failed unexpectedly');
        return { kind: 'nack', error: 'not-sent' };
      }
      if (error.kind !== 'refused') this.#noteDown();
      return { kind: 'nack', error: `${error.kind}: ${error.message}` };
    }
  }

  /** Those that fail together count once. */
  #noteDown(): void {
    const now = performance.now();
    if (now < this.#heldUntil) return;
    const { downMs = 1_000, downMsMax = 30_000 } = this.parts;
    const holdMs = Math.min(downMs * 2 ** this.#failures, downMsMax);
    this.#failures += 1;
    this.#heldUntil = now + holdMs;
    this.#inHand.hold(holdMs);
  }
}

/** The result, or null when the stop has waited for it long enough. */
function untilEnded(result: Promise<DeliveryResult>, signal: AbortSignal): Promise<DeliveryResult | null> {
  return new Promise((resolve) => {
    const end = (): void => resolve(null);
    signal.addEventListener('abort', end, { once: true });
    void result.then(resolve).finally(() => signal.removeEventListener('abort', end));
  });
}

function externalMessage(topic: string, group: string, delivery: Delivery): ExternalMessage {
  const { message, attempt } = delivery;
  const partitionKey = message.orderingKey ?? message.key ?? message.id;
  return { id: message.id, topic, group, attempt, partitionKey, data: messageJson(message, delivery) };
}
