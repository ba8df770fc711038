import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from '../../runtime/logger.js';

export interface RedisConnectionsOptions {
  /** How long one command may take, waiting for a connection included. Default 10 s. */
  commandTimeoutMs?: number;
  /** The longest wait between two tries to connect. Default 1 s. */
  reconnectMsMax?: number;
}

type MessageListener = (message: string) => void;

/**
 * The broker's connections to Redis, shared by everything it does there: one for commands and one for channels, however
 * many queues are open. Redis being away never throws out of here: commands fail within their bound, both connections
 * come back by themselves, and channels are subscribed again.
 */
export class RedisConnections {
  readonly client: Redis;
  readonly subscriber: Redis;
  private readonly channels = new Map<string, Set<MessageListener>>();
  private readonly options: Required<RedisConnectionsOptions>;

  /** @param url `redis://` or `rediss://`, with the database number as its path */
  constructor(
    private readonly url: string,
    private readonly logger: Logger,
    options: RedisConnectionsOptions = {},
  ) {
    this.options = { commandTimeoutMs: 10_000, reconnectMsMax: 1_000, ...options };
    const { commandTimeoutMs } = this.options;
    this.client = this.connect('commands', { maxRetriesPerRequest: 1, commandTimeout: commandTimeoutMs });
    // Bull demands these two of a connection for channels: a subscription waits for Redis instead of failing.
    this.subscriber = this.connect('channels', { maxRetriesPerRequest: null, enableReadyCheck: false });
    this.subscriber.on('message', (channel: string, message: string) => {
      for (const listener of this.channels.get(channel) ?? []) listener(message);
    });
  }

  /** A connection of its own for a worker, which blocks on it. The caller disconnects it. */
  connectBlocking(): Redis {
    return this.connect('worker', { maxRetriesPerRequest: null, enableReadyCheck: false });
  }

  /** Calls `listener` for each message of a channel. Answers how to stop that. */
  subscribe(channel: string, listener: MessageListener): () => void {
    let listeners = this.channels.get(channel);
    if (listeners === undefined) {
      this.channels.set(channel, (listeners = new Set()));
      this.send(channel, this.subscriber.subscribe(channel));
    }
    listeners.add(listener);
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0 || this.channels.get(channel) !== listeners) return;
      this.channels.delete(channel);
      this.send(channel, this.subscriber.unsubscribe(channel));
    };
  }

  /** Does not wait for commands under way: they fail. */
  close(): void {
    this.channels.clear();
    this.client.disconnect();
    this.subscriber.disconnect();
  }

  private send(channel: string, sent: Promise<unknown>): void {
    sent.catch((error: unknown) => {
      if (this.subscriber.status === 'end') return;
      // Channels only wake: without this one the polls go on.
      this.logger.warn({ err: error, channel }, 'a Redis channel could not be subscribed or left');
    });
  }

  private connect(purpose: string, options: RedisOptions): Redis {
    const { reconnectMsMax } = this.options;
    const redis = new Redis(this.url, {
      connectTimeout: 5_000,
      keepAlive: 10_000,
      retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 16), reconnectMsMax),
      ...options,
    });
    // Every Bull queue that shares the connection listens on it.
    redis.setMaxListeners(0);
    let away = false;
    redis.on('error', (error) => {
      if (away) return;
      away = true;
      this.logger.warn({ err: error, connection: purpose }, 'Redis does not answer');
    });
    redis.on('ready', () => {
      if (!away) return;
      away = false;
      this.logger.info({ connection: purpose }, 'Redis answers again');
    });
    return redis;
  }
}
