import { OpenedProducer, type OpenOptions } from './application/opened-producer.js';
import type { Caller } from './broker/caller.js';
import { EndpointsCaller, type EndpointsCallerOptions } from './broker/endpoints-caller.js';
import { HalfboxClient } from './broker/halfbox-client.js';
import { ProducerClosed } from './errors.js';
import { Producer, type ProducerSettings } from './producer/producer.js';
import type { AnyTopics, TopicMap } from './producer/topic-map.js';

/** A way to the brokers, and what is made on it. */
export class Connection<Way extends Caller = Caller> {
  /** Every call of the contract, each made once. */
  readonly client: HalfboxClient;
  readonly #producers = new Set<Pick<Producer, 'close'>>();
  readonly #opened = new Set<Pick<OpenedProducer, 'name' | 'outboxIn' | 'close'>>();
  #isClosed = false;

  constructor(readonly caller: Way) {
    this.client = new HalfboxClient(caller);
  }

  /**
   * Opens a producer for messages that share the fate of local transactions: with `sendInTransaction` on the `dataSource`,
   * and, where the options ask for them, its outbox and inbox. The brokers ask this process over a stream how silent
   * transactions ended. One is enough for a process. Brokers that are away are connected to later.
   *
   * Rejects with `TablesMissing` where the database has not the tables of `HalfboxClientTables1700000000101`; with
   * `TypeError` for options that do not fit together, and `RangeError` for one out of its bounds; with
   * `ProducerClosed` when the connection is closed.
   */
  async open<Topics extends TopicMap = AnyTopics>(
    this: Connection<EndpointsCaller>,
    options: OpenOptions,
  ): Promise<OpenedProducer<Topics>> {
    if (this.#isClosed) throw new ProducerClosed(options.producer);
    const opened: OpenedProducer<Topics> = new OpenedProducer<Topics>(this.caller, options, () =>
      this.#opened.delete(opened),
    );
    const { outboxIn, name } = opened;
    const other = [...this.#opened].find((each) => outboxIn && each.outboxIn === outboxIn);
    // Rows do not say whose they are.
    if (other) throw new TypeError(`producers ${other.name} and ${name} cannot have outboxes in one database`);
    this.#opened.add(opened);
    await opened.start();
    return opened;
  }

  /** A producer of this name, 1..64 of `[A-Za-z0-9_-]`. One is enough for a process: it gathers what it sends at once. */
  producer<Topics extends TopicMap = AnyTopics, Manager = unknown>(
    name: string,
    settings: ProducerSettings<Manager> = {},
  ): Producer<Topics, Manager> {
    const producer = new Producer<Topics, Manager>({ ...settings, name, caller: this.caller });
    this.#producers.add(producer);
    return producer;
  }

  /** Closes the producers, each within the time (10,000 ms where none is given), and then the connections. */
  async close(options: { timeoutMs?: number } = {}): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#producers, ...this.#opened].map((producer) => producer.close(options)));
    await this.caller.close();
  }
}

/**
 * Connects to the brokers of one store: `connect({ endpoints: ['http://127.0.0.1:3900'] })`. Nothing is called before the
 * first call. Throws `TypeError` for an endpoint that is not an HTTP URL.
 */
export function connect(options: EndpointsCallerOptions): Connection<EndpointsCaller> {
  return new Connection(new EndpointsCaller(options));
}
