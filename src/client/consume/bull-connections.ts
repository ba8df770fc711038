import type Bull from 'bull';
import type { Redis, RedisOptions } from 'ioredis';

/** The longest wait between two tries to connect. */
const reconnectMsMax = 1_000;

/**
 * Connections to the Redis that an application shares with its brokers: one for commands and one for events, however many
 * consumers share them, and one for each consumer to block on. Redis being away is waited out.
 */
export class BullConnections {
  #shared: { client: Redis; subscriber: Redis } | undefined;
  #users = 0;

  /** @param url `redis://` or `rediss://`, with the database number as its path */
  constructor(private readonly url: string) {}

  /** Opens a queue for a worker. Loads Bull only now: an application that pulls needs none of it. */
  async open(name: string, prefix: string): Promise<{ queue: Bull.Queue; close: () => Promise<void> }> {
    const [{ default: BullQueue }, { Redis: Connection }] = await Promise.all([import('bull'), import('ioredis')]);
    const connect = (options: RedisOptions): Redis => connectTo(Connection, this.url, options);
    const blocking = { maxRetriesPerRequest: null, enableReadyCheck: false };
    this.#shared ??= { client: connect({ maxRetriesPerRequest: 1 }), subscriber: connect(blocking) };
    this.#users += 1;
    const { client, subscriber } = this.#shared;
    let own: Redis | undefined;
    const options: Bull.QueueOptions & { skipVersionCheck: boolean } = {
      prefix,
      skipVersionCheck: true,
      createClient: (type) => {
        if (type === 'client') return client;
        return type === 'subscriber' ? subscriber : (own ??= connect(blocking));
      },
    };
    const queue = new BullQueue(name, options);
    const close = (): Promise<void> => {
      own?.disconnect();
      this.#users -= 1;
      if (this.#users === 0) this.#close();
      return Promise.resolve();
    };
    return { queue, close };
  }

  #close(): void {
    this.#shared?.client.disconnect();
    this.#shared?.subscriber.disconnect();
    this.#shared = undefined;
  }
}

function connectTo(Connection: typeof Redis, url: string, options: RedisOptions): Redis {
  const retryStrategy = (times: number): number => Math.min(50 * 2 ** Math.min(times, 16), reconnectMsMax);
  const redis = new Connection(url, { connectTimeout: 5_000, keepAlive: 10_000, retryStrategy, ...options });
  // Every queue that shares the connection listens on it, and reports its errors.
  redis.setMaxListeners(0);
  redis.on('error', () => undefined);
  return redis;
}
