import type { Caller } from './broker/caller.js';
import { EndpointsCaller, type EndpointsCallerOptions } from './broker/endpoints-caller.js';
import { HalfboxClient } from './broker/halfbox-client.js';
import { Producer, type ProducerSettings } from './producer/producer.js';
import type { AnyTopics, TopicMap } from './producer/topic-map.js';

/** A way to the brokers, and what is made on it. */
export class Connection {
  /** Every call of the contract, each made once. */
  readonly client: HalfboxClient;
  readonly #producers = new Set<Pick<Producer, 'close'>>();

  constructor(readonly caller: Caller) {
    this.client = new HalfboxClient(caller);
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
    await Promise.all([...this.#producers].map((producer) => producer.close(options)));
    await this.caller.close();
  }
}

/**
 * Connects to the brokers of one store: `connect({ endpoints: ['http://127.0.0.1:3900'] })`. Nothing is called before the
 * first call. Throws `TypeError` for an endpoint that is not an HTTP URL.
 */
export function connect(options: EndpointsCallerOptions): Connection {
  return new Connection(new EndpointsCaller(options));
}
