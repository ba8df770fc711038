import { randomUUID } from 'node:crypto';
import type { Wake, WakeChannel } from '../../relay/wake-channel.js';
import type { Logger } from '../../runtime/logger.js';
import type { RedisConnections } from './redis-connections.js';

/** Names that wait while a message is on its way; further ones are dropped (polling finds them). */
const waitingMax = 10_000;

/**
 * Wakes the other nodes of a store by one Redis channel. While a message is on its way to Redis, what comes is gathered
 * into the next one, so that a burst costs few messages. With Redis away, wakes are dropped.
 */
export class RedisWakeChannel implements WakeChannel {
  /** Leads every message of this node, so that it does not wake itself. */
  private readonly node = randomUUID();
  private readonly topics = new Set<string>();
  private readonly subscriptions = new Map<string, Wake['subscriptions'][number]>();
  private sending = false;
  private away = false;

  /** @param channel the same for all nodes of a store, and for no other store that shares the Redis */
  constructor(
    private readonly connections: RedisConnections,
    private readonly logger: Logger,
    private readonly channel = 'halfbox:wake',
  ) {}

  publish(wake: Wake): void {
    if (this.connections.client.status !== 'ready') return;
    if (this.topics.size + this.subscriptions.size > waitingMax) return;
    for (const topic of wake.topics) this.topics.add(topic);
    for (const named of wake.subscriptions) this.subscriptions.set(`${named.topic}.${named.group}`, named);
    if (!this.sending) void this.send();
  }

  onWake(listener: (wake: Wake) => void): () => void {
    return this.connections.subscribe(this.channel, (message) => {
      if (message.startsWith(this.node)) return;
      const wake = this.parse(message);
      if (wake !== undefined) listener(wake);
    });
  }

  private async send(): Promise<void> {
    this.sending = true;
    while (this.topics.size + this.subscriptions.size > 0) {
      const wake: Wake = { topics: [...this.topics], subscriptions: [...this.subscriptions.values()] };
      this.topics.clear();
      this.subscriptions.clear();
      try {
        await this.connections.client.publish(this.channel, this.node + JSON.stringify(wake));
        this.away = false;
      } catch (error) {
        if (!this.away) this.logger.warn({ err: error }, 'other nodes could not be woken; they poll');
        this.away = true;
      }
    }
    this.sending = false;
  }

  private parse(message: string): Wake | undefined {
    try {
      return JSON.parse(message.slice(this.node.length)) as Wake;
    } catch (error) {
      this.logger.warn({ err: error, channel: this.channel }, 'a wake of another node could not be read');
      return undefined;
    }
  }
}
