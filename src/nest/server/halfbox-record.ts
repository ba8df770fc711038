import type { Message } from '../../client/index.js';

/** What a message carries besides its topic and body. */
export type HalfboxRecordOptions = Omit<Message, 'topic' | 'body' | 'bodyBase64'>;

/** A body with what goes along with it, for `client.emit('orders', record)`. */
export class HalfboxRecord<Body = unknown> {
  constructor(
    readonly data: Body,
    readonly options: HalfboxRecordOptions = {},
  ) {}
}

/** Makes a `HalfboxRecord`: `new HalfboxRecordBuilder(order).setKey('17').setOrderingKey('customer-3').build()`. */
export class HalfboxRecordBuilder<Body = unknown> {
  #options: HalfboxRecordOptions = {};

  constructor(private data?: Body) {}

  setData(data: Body): this {
    this.data = data;
    return this;
  }

  /** 1..64 of `[A-Za-z0-9_.:-]`. Sent twice, it is delivered once. */
  setId(id: string): this {
    return this.#with({ id });
  }

  /** Business key, for look-ups. */
  setKey(key: string): this {
    return this.#with({ key });
  }

  /** What subscriptions filter by. */
  setTag(tag: string): this {
    return this.#with({ tag });
  }

  /** Messages with the same one are handled one at a time, in order. */
  setOrderingKey(orderingKey: string): this {
    return this.#with({ orderingKey });
  }

  setHeaders(headers: Record<string, string>): this {
    return this.#with({ headers });
  }

  /** Excludes `setDeliverAt`. At most a year. */
  setDelayMs(delayMs: number): this {
    return this.#with({ delayMs });
  }

  setDeliverAt(at: Date | string): this {
    return this.#with({ deliverAt: typeof at === 'string' ? at : at.toISOString() });
  }

  setContentType(contentType: string): this {
    return this.#with({ contentType });
  }

  build(): HalfboxRecord<Body> {
    return new HalfboxRecord(this.data as Body, this.#options);
  }

  #with(more: HalfboxRecordOptions): this {
    this.#options = { ...this.#options, ...more };
    return this;
  }
}
