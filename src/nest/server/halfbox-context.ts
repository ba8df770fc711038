import { BaseRpcContext } from '@nestjs/microservices';
import type { DeliveredMessage, DeliveryContext } from '../../client/index.js';

/**
 * What a handler gets by `@Ctx()`: the delivery that it handles. Interceptors, guards and filters get it by
 * `host.switchToRpc().getContext()`.
 */
export class HalfboxContext extends BaseRpcContext<[DeliveredMessage, DeliveryContext]> implements DeliveryContext {
  /** The whole message, as the broker gave it. */
  get message(): DeliveredMessage {
    return this.args[0];
  }

  get topic(): string {
    return this.#delivery.topic;
  }

  get group(): string {
    return this.#delivery.group;
  }

  get messageId(): string {
    return this.#delivery.messageId;
  }

  /** Tries of this message by this group, counted from 1, the present one included. */
  get attempt(): number {
    return this.#delivery.attempt;
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#delivery.headers;
  }

  get key(): string | undefined {
    return this.#delivery.key;
  }

  get tag(): string | undefined {
    return this.#delivery.tag;
  }

  get orderingKey(): string | undefined {
    return this.#delivery.orderingKey;
  }

  /** The transaction that the message came from; undefined for a plain send. */
  get transactionId(): string | undefined {
    return this.#delivery.transactionId;
  }

  get shard(): number {
    return this.#delivery.shard;
  }

  get offset(): number {
    return this.#delivery.offset;
  }

  /** ISO 8601, by the broker's clock. */
  get bornAt(): string {
    return this.#delivery.bornAt;
  }

  /** Aborted when the delivery is no longer this handler's: its receipt was lost, it ran too long, or a stop could not wait. */
  get signal(): AbortSignal {
    return this.#delivery.signal;
  }

  /** Keeps the delivery for `visibilityMs` (1 s..12 h) from now on. Seldom needed: a running handler's is kept by itself. */
  extend(visibilityMs: number): Promise<void> {
    return this.#delivery.extend(visibilityMs);
  }

  get #delivery(): DeliveryContext {
    return this.args[1];
  }
}
