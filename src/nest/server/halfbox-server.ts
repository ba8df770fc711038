import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom, Observable, takeUntil } from 'rxjs';
import {
  BullConnections,
  BullConsumer,
  connect,
  Consumer,
  payloadOf,
  type Connection,
  type ConsumeFailure,
  type DeliveredMessage,
  type DeliveryContext,
  type EndpointsCallerOptions,
  type HalfboxClient,
} from '../../client/index.js';
import { checkBackExtra } from '../client/check-back-controller.js';
import { HalfboxContext } from './halfbox-context.js';
import { splitHandlerOptions, type HalfboxHandlerOptions } from './handler-options.js';
import { keepTrueFailures } from './true-failures.js';

/** Names this transport to decorators, where an application has several: `@EventPattern('orders', HALFBOX_TRANSPORT)`. */
export const HALFBOX_TRANSPORT = Symbol.for('halfbox');

/** Defaults for its handlers, and the way to the brokers: `endpoints` or `client`, `redisUrl`, or both. */
export interface HalfboxServerOptions extends HalfboxHandlerOptions {
  /** URLs of brokers of one store. */
  endpoints?: readonly string[] | undefined;
  /** Needs the scope `admin` where handlers' subscriptions are made, else `consume`. */
  apiKey?: string | undefined;
  /** Further settings of the connections that `endpoints` opens. */
  connection?: Omit<EndpointsCallerOptions, 'endpoints' | 'apiKey'> | undefined;
  /** A client that the application has already. Stays open. */
  client?: HalfboxClient | undefined;
  /** The brokers' Redis: messages come through Bull queues, by subscriptions of mode `queue`, instead of long poll. */
  redisUrl?: string | undefined;
  /** What the keys of the brokers' queues begin with. Default `halfbox`. */
  prefix?: string | undefined;
}

/** `connected` once all subscriptions exist, `disconnected` while one cannot receive, `closed` at the end. */
export type HalfboxStatus = 'connected' | 'disconnected' | 'closed';

/** What `on` tells. */
export type HalfboxServerEvents = {
  /** Everything that went wrong, as `ConsumerOptions.onError`. It is logged as well. */
  error: (error: Error, failure: ConsumeFailure) => void;
};

interface Registered {
  topic: string;
  handler: MessageHandler;
}

type AnyConsumer = Consumer | BullConsumer;

/**
 * Runs `@EventPattern('topic')` handlers of NestJS as consumers of Halfbox:
 * `app.connectMicroservice({ strategy: new HalfboxServer({ endpoints, group: 'billing' }) })`. A message is acknowledged
 * when its handler's promise or observable has completed. What a handler, pipe, guard or interceptor throws is a failed
 * attempt (`Retry` and `Reject` say more), unless an exception filter of the application turns it into an observable that
 * completes. An observable is left when the delivery is no longer its handler's, as one that never completes. Delivery is at least once. Several handlers of one topic take different groups.
 */
export class HalfboxServer extends Server<HalfboxServerEvents, HalfboxStatus> implements CustomTransportStrategy {
  override readonly transportId = HALFBOX_TRANSPORT;
  /** Failures end up with the broker: NestJS need not log them. */
  override readonly propagatesEventHandlerErrors = true;
  readonly #registered: Registered[] = [];
  readonly #refused: string[] = [];
  readonly #listeners: HalfboxServerEvents['error'][] = [];
  readonly #disconnected = new Set<string>();
  #consumers: AnyConsumer[] = [];
  #connection: Connection | undefined;
  #closing = false;

  constructor(private readonly options: HalfboxServerOptions) {
    super();
    if (options.endpoints !== undefined && options.client !== undefined)
      throw new TypeError('give endpoints or client');
    if ((options.endpoints ?? options.client ?? options.redisUrl) === undefined) {
      throw new TypeError('give endpoints, client or redisUrl: without them there is no way to a broker');
    }
    keepTrueFailures();
  }

  /** Each handler is a consumer of its own; handlers of one topic do not run one after the other as elsewhere in NestJS. */
  override addHandler(
    pattern: unknown,
    callback: MessageHandler,
    isEventHandler = false,
    extras: Record<string, unknown> = {},
  ): void {
    // It is answered by the application's other transports.
    if (extras[checkBackExtra]) return;
    const name = typeof pattern === 'string' ? pattern : JSON.stringify(pattern);
    if (!isEventHandler) this.#refused.push(`@MessagePattern('${name}')`);
    else if (typeof pattern !== 'string') this.#refused.push(`@EventPattern(${name}), whose pattern is no topic,`);
    callback.isEventHandler = isEventHandler;
    callback.extras = extras;
    this.#registered.push({ topic: name, handler: callback });
    if (!this.messageHandlers.has(name)) this.messageHandlers.set(name, callback);
  }

  /**
   * Calls back when every handler's subscription exists and messages are received, or with what kept that from coming about;
   * when it is closed meanwhile, without an error.
   */
  listen(callback: (error?: unknown) => void): void {
    this.#listen().then(
      () => callback(),
      (error: unknown) => this.close().finally(() => callback(error)),
    );
  }

  /** Receives nothing more and finishes what is in hand, each handler within its `stopMs`. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#consumers.map((consumer) => consumer.stop()));
    await this.#connection?.close();
    this.#connection = undefined;
    this._status$.next('closed');
  }

  override on<Name extends keyof HalfboxServerEvents>(event: Name, callback: HalfboxServerEvents[Name]): void {
    if (event !== 'error') throw new TypeError(`HalfboxServer tells only of 'error', not of '${String(event)}'`);
    this.#listeners.push(callback);
  }

  /** The consumers, one a handler; none before `listen`. */
  override unwrap<Consumers = AnyConsumer[]>(): Consumers {
    return this.#consumers as Consumers;
  }

  async #listen(): Promise<void> {
    if (this.#refused.length > 0) {
      throw new TypeError(
        `${this.#refused.join(', ')} cannot be served: Halfbox carries events, which nobody answers. Use ` +
          `@EventPattern('topic'), or name the transport of the handler in its decorator.`,
      );
    }
    this.#closing = false;
    const { endpoints, apiKey, connection } = this.options;
    if (endpoints !== undefined) this.#connection = connect({ ...connection, endpoints, apiKey });
    this.#consumers = this.#makeConsumers(this.options.client ?? this.#connection?.client);
    await Promise.all(this.#consumers.map((consumer) => consumer.start()));
    if (!this.#wasClosed()) this._status$.next('connected');
  }

  /** A stop may come while the start waits for a broker. */
  #wasClosed(): boolean {
    return this.#closing;
  }

  #makeConsumers(client: HalfboxClient | undefined): AnyConsumer[] {
    const { redisUrl } = this.options;
    const redis = redisUrl === undefined ? undefined : new BullConnections(redisUrl);
    const names = new Set<string>();
    return this.#registered.map(({ topic, handler }) => {
      const asked: HalfboxHandlerOptions = { ...this.#defaults(), ...handler.extras };
      const { consumer, subscription } = splitHandlerOptions(topic, asked);
      const { group } = asked;
      if (group === undefined) throw new TypeError(`@EventPattern('${topic}') has no group, nor has HalfboxServer`);
      const name = `${topic}.${group}`;
      if (names.has(name) && !asked.broadcasting) {
        throw new TypeError(`two handlers of '${topic}' are in the group '${group}': each would get a part only`);
      }
      names.add(name);
      const common = {
        ...consumer,
        topic,
        group,
        subscription,
        handler: (message: DeliveredMessage, delivery: DeliveryContext) => this.#handle(handler, message, delivery),
        onError: (error: Error, failure: ConsumeFailure) => this.#failed(error, failure, name),
        onRecovered: () => this.#recovered(name),
      };
      if (redis === undefined) return new Consumer({ ...common, client: client as HalfboxClient });
      return new BullConsumer({ ...common, redis, prefix: this.options.prefix, client });
    });
  }

  #defaults(): HalfboxHandlerOptions {
    const { endpoints, apiKey, connection, client, redisUrl, prefix, ...defaults } = this.options;
    return defaults;
  }

  /** Resolves when the handler has completed; rejects with what it failed with. */
  #handle(handler: MessageHandler, message: DeliveredMessage, delivery: DeliveryContext): Promise<void> {
    const context = new HalfboxContext([message, delivery]);
    return new Promise<void>((resolve, reject) => {
      const run = async (): Promise<void> => {
        try {
          const result: unknown = await handler(payloadOf(message), context);
          if (isObservable(result))
            await lastValueFrom(untilLost(result, delivery.signal), { defaultValue: undefined });
          resolve();
        } catch (error) {
          // A filter of the application may fail with what is no error: the consumer makes a text of it.
          reject(error as Error);
        } finally {
          this.onProcessingEndHook?.(this.transportId, context);
        }
      };
      this.onProcessingStartHook(this.transportId, context, run);
    });
  }

  /** @param name of the handler, whose consumer has a group of its own where it is broadcasting */
  #failed(error: Error, failure: ConsumeFailure, name: string): void {
    const { during, topic, group } = failure;
    this.logger.error(`${topic}/${group}: ${during}: ${error.message}`, error.stack);
    for (const listener of this.#listeners) listener(error, failure);
    if (during !== 'receive' && during !== 'queue') return;
    this.#disconnected.add(name);
    if (!this.#closing) this._status$.next('disconnected');
  }

  #recovered(name: string): void {
    this.#disconnected.delete(name);
    if (this.#disconnected.size === 0 && !this.#closing) this._status$.next('connected');
  }
}

/** Fails with the reason when the delivery is taken from the handler, and unsubscribes. */
function untilLost(result: Observable<unknown>, signal: AbortSignal): Observable<unknown> {
  const lost = new Observable<never>((subscriber) => {
    const fail = (): void => subscriber.error(signal.reason);
    if (signal.aborted) fail();
    signal.addEventListener('abort', fail, { once: true });
    return () => signal.removeEventListener('abort', fail);
  });
  return result.pipe(takeUntil(lost));
}
