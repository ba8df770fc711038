import type { DataSource } from 'typeorm';
import type { Logger } from '../../runtime/logger.js';
import { OutboxForwarder, type OutboxForwarderOptions } from '../local/outbox/forwarder.js';
import { Outbox, type OutboxOptions } from '../local/outbox/outbox.js';
import type { Producer } from '../producer/producer.js';

/** An outbox, and what forwards it from this process. */
export interface ForwardedOutboxOptions
  extends
    OutboxOptions,
    Omit<OutboxForwarderOptions, 'dataSource' | 'sender' | 'outbox' | 'instance' | 'clock' | 'logger'> {
  /** False: other processes forward what this one writes. Default true. */
  forward?: boolean | undefined;
}

/** A producer's outbox, and what forwards it through that producer. */
export class ForwardedOutbox {
  readonly outbox: Outbox;
  #forwarder: OutboxForwarder | undefined;

  /** @param dataSource finds the application's database, when it is first used */
  constructor(
    private readonly producer: Producer,
    private readonly options: ForwardedOutboxOptions,
    private readonly dataSource: () => DataSource,
    private readonly logger: Logger,
  ) {
    this.outbox = new Outbox(dataSource, options);
  }

  /** Begins to forward. @throws RangeError for an option out of its bounds */
  start(): void {
    const { outbox, producer, logger } = this;
    const { forward = true, bodyBytesMax: _bytes, requireTransaction: _require, ...options } = this.options;
    if (!forward) return;
    const { instance } = producer;
    this.#forwarder = new OutboxForwarder({
      ...options,
      dataSource: this.dataSource(),
      sender: producer,
      outbox,
      instance,
      logger,
    });
    this.#forwarder.start();
  }

  /** Whether messages of this process may wait to be sent. */
  get isBehind(): boolean {
    return this.#forwarder?.isBehind ?? false;
  }

  /** Sends what this process has written, as far as the time allows, and ends. */
  async stop(timeoutMs: number): Promise<void> {
    const stopping = this.#forwarder?.stop({ finishMs: timeoutMs });
    this.#forwarder = undefined;
    await stopping;
  }
}
