import type { DeliveredMessage, Delivery } from '../contract.js';
import type { HandlerTimeout, ReceiptLost, ConsumerStopped } from './consume-errors.js';

/** A message as a handler gets it, with a body of its own type. The type is trusted, not checked. */
export type ConsumedMessage<Body = unknown> = Omit<DeliveredMessage, 'body'> & { body: Body };

/** What a handler may know about a delivery besides its message, and do with it. */
export interface DeliveryContext {
  readonly topic: string;
  readonly group: string;
  readonly messageId: string;
  /** Tries of this message by this group, counted from 1, the present one included. */
  readonly attempt: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly key: string | undefined;
  readonly tag: string | undefined;
  readonly orderingKey: string | undefined;
  /** The transaction that the message came from; undefined for a plain send. */
  readonly transactionId: string | undefined;
  readonly shard: number;
  readonly offset: number;
  /** ISO 8601, by the broker's clock. */
  readonly bornAt: string;
  /**
   * Keeps the delivery for `visibilityMs` (1 s..12 h) from now on, or longer. Seldom needed: a running handler's delivery is
   * kept by itself. Rejects with `ReceiptLost`, or as calls to a broker do. For Bull workers it does nothing: Bull keeps the job.
   */
  extend(visibilityMs: number): Promise<void>;
  /** Aborted when the delivery is no longer this handler's: its receipt was lost, it ran too long, or a stop could not wait. */
  readonly signal: AbortSignal;
}

/** Handles one message. What it returns, once resolved, acknowledges; what it throws is a failed attempt. */
export type Handler<Body = unknown> = (message: ConsumedMessage<Body>, context: DeliveryContext) => unknown;

/** Why a delivery was taken from its handler. */
export type Loss = ReceiptLost | HandlerTimeout | ConsumerStopped;

/** The body of a message: JSON as it was sent, bytes as a Buffer. */
export function payloadOf(message: DeliveredMessage): unknown {
  return message.bodyBase64 === undefined ? message.body : Buffer.from(message.bodyBase64, 'base64');
}

/** A delivery in this process, from its receipt until the broker knows how it ended. */
export class HeldDelivery implements DeliveryContext {
  readonly message: DeliveredMessage;
  readonly receipt: string;
  /** When its handler began, by the monotonic clock; undefined while it waits. */
  begunAt: number | undefined;
  readonly receivedAt = performance.now();
  #abort: AbortController | undefined;
  #loss: Loss | undefined;

  /** @param expiresAt when its visibility ends, by the monotonic clock */
  constructor(
    readonly group: string,
    { receipt, message }: Pick<Delivery, 'receipt' | 'message'>,
    public expiresAt: number,
    private readonly extendNow: (delivery: HeldDelivery, visibilityMs: number) => Promise<void>,
  ) {
    this.message = message;
    this.receipt = receipt;
  }

  get topic(): string {
    return this.message.topic;
  }

  get messageId(): string {
    return this.message.id;
  }

  get attempt(): number {
    return this.message.attempt;
  }

  get headers(): Readonly<Record<string, string>> {
    return this.message.headers ?? {};
  }

  get key(): string | undefined {
    return this.message.key;
  }

  get tag(): string | undefined {
    return this.message.tag;
  }

  get orderingKey(): string | undefined {
    return this.message.orderingKey;
  }

  get transactionId(): string | undefined {
    return this.message.transactionId;
  }

  get shard(): number {
    return this.message.shard;
  }

  get offset(): number {
    return this.message.offset;
  }

  get bornAt(): string {
    return this.message.bornAt;
  }

  get signal(): AbortSignal {
    // Made only for handlers that ask: most do not, and it costs more than the rest of a delivery.
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#loss) this.#abort.abort(this.#loss);
    }
    return this.#abort.signal;
  }

  /** Why it is no longer this handler's; undefined while it is. */
  get loss(): Loss | undefined {
    return this.#loss;
  }

  extend(visibilityMs: number): Promise<void> {
    return this.#loss ? Promise.reject(this.#loss) : this.extendNow(this, visibilityMs);
  }

  /** It is no longer this handler's. */
  lose(loss: Loss): void {
    if (this.#loss !== undefined) return;
    this.#loss = loss;
    this.#abort?.abort(loss);
  }
}
