import { setTimeout as wait } from 'node:timers/promises';
import { connect, type ChannelModel, type ConsumeMessage } from 'amqplib';
import type { Forwarded } from './forwarding.js';

/** An ordinary consumer of a RabbitMQ queue, which comes back after its server did. */
export class RabbitmqConsumer {
  readonly received: (Forwarded & { raw: ConsumeMessage })[] = [];
  #connection: ChannelModel | undefined;
  #stopped = false;

  private constructor(
    private readonly url: string,
    private readonly queue: string,
  ) {}

  static async start(url: string, queue: string): Promise<RabbitmqConsumer> {
    const consumer = new RabbitmqConsumer(url, queue);
    await consumer.#connect();
    return consumer;
  }

  async #connect(): Promise<void> {
    const connection = await connect(this.url);
    this.#connection = connection;
    connection.on('error', () => undefined);
    connection.on('close', () => void this.#reconnect());
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await channel.assertQueue(this.queue, { durable: true });
    await channel.consume(this.queue, (raw) => {
      if (raw === null) return;
      const { pattern, data } = JSON.parse(raw.content.toString()) as { pattern: string; data: Forwarded };
      expect(pattern).toBe('orders');
      this.received.push({ ...data, raw });
      channel.ack(raw);
    });
  }

  async #reconnect(): Promise<void> {
    while (!this.#stopped) {
      try {
        return await this.#connect();
      } catch {
        // Its server is away: look again.
        await wait(100);
      }
    }
  }

  get ids(): Set<string> {
    return new Set(this.received.map(({ id }) => id));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#connection?.close().catch(() => undefined);
  }
}
