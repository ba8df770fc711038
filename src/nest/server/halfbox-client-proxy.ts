import { Logger } from '@nestjs/common';
import { ClientProxy, type ReadPacket } from '@nestjs/microservices';
import { throwError, type Observable } from 'rxjs';
import {
  connect,
  HalfboxError,
  type Connection,
  type EndpointsCallerOptions,
  type Message,
  type MessagePlace,
  type Producer,
  type TopicMessage,
} from '../../client/index.js';
import { HalfboxRecord } from './halfbox-record.js';

/** `send` was called, which waits for an answer. Halfbox carries events only. */
export class RequestsUnsupported extends HalfboxError {
  readonly code = 'requests-unsupported';

  constructor(pattern: unknown) {
    super(`send(${JSON.stringify(pattern)}) waits for an answer, and a message has none: use emit()`);
  }
}

/** A producer that the application has, which stays open; or the brokers, and a name for a producer of its own. */
export type HalfboxClientProxyOptions =
  { producer: Pick<Producer, 'send'> } | (EndpointsCallerOptions & { producerName?: string });

/**
 * Lets `client.emit('orders', order)` of existing code publish to Halfbox:
 * `ClientsModule.register([{ name: 'ORDERS', customClass: HalfboxClientProxy, options: { endpoints } }])`. The data is the
 * message's body (a Buffer or Uint8Array goes as bytes), or a `HalfboxRecord`. The observable gives where the message went
 * and completes when it is stored, and fails with `SendFailed` or `BrokerRefused`; a failure is logged too, since nobody
 * may be subscribed. Emitting needs no subscriber.
 */
export class HalfboxClientProxy extends ClientProxy {
  readonly #logger = new Logger(HalfboxClientProxy.name);
  #connection: Connection | undefined;
  #producer: Pick<Producer, 'send'> | undefined;

  constructor(private readonly options: HalfboxClientProxyOptions) {
    super();
  }

  /** Opens nothing: connections are made by the first message. */
  connect(): Promise<void> {
    this.#opened();
    return Promise.resolve();
  }

  /** Sends what is under way, where the producer is its own, and closes it. */
  async close(): Promise<void> {
    // What was emitted in this turn has not reached the producer yet.
    await new Promise(setImmediate);
    const connection = this.#connection;
    this.#connection = this.#producer = undefined;
    await connection?.close();
  }

  /** The producer. */
  unwrap<Unwrapped = Pick<Producer, 'send'>>(): Unwrapped {
    return this.#opened() as Unwrapped;
  }

  /** Always fails with `RequestsUnsupported`. */
  override send<Result>(pattern: unknown, _data?: unknown): Observable<Result> {
    return throwError(() => new RequestsUnsupported(pattern));
  }

  protected override publish({ pattern }: ReadPacket): () => void {
    throw new RequestsUnsupported(pattern);
  }

  protected override async dispatchEvent<Result = MessagePlace>(packet: ReadPacket): Promise<Result> {
    try {
      return (await this.#opened().send(messageOf(packet))) as Result;
    } catch (error) {
      this.#logger.error(
        `a message to ${this.normalizePattern(packet.pattern)} was not sent: ${(error as Error).message}`,
      );
      throw error;
    }
  }

  #opened(): Pick<Producer, 'send'> {
    if (this.#producer !== undefined) return this.#producer;
    if ('producer' in this.options) return (this.#producer = this.options.producer);
    const { producerName = 'emitter', ...endpoints } = this.options;
    this.#connection = connect(endpoints);
    return (this.#producer = this.#connection.producer(producerName));
  }
}

function messageOf({ pattern, data, metadata }: ReadPacket): TopicMessage {
  if (typeof pattern !== 'string') throw new TypeError(`${JSON.stringify(pattern)} is no topic: emit to a string`);
  const record = data instanceof HalfboxRecord ? data : new HalfboxRecord<unknown>(data);
  const message: Message = { ...record.options, topic: pattern };
  if (metadata !== undefined) message.headers = { ...metadata, ...record.options.headers };
  if (record.data instanceof Uint8Array) message.bodyBase64 = Buffer.from(record.data).toString('base64');
  else message.body = record.data;
  return message as TopicMessage;
}
