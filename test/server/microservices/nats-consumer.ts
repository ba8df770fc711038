import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node';
import type { Forwarded } from './forwarding.js';

/** An ordinary subscriber of the subject `orders`, which comes back after its server did. */
export class NatsConsumer {
  readonly received: (Forwarded & { raw: Msg })[] = [];

  private constructor(private readonly connection: NatsConnection) {}

  static async start(url: string): Promise<NatsConsumer> {
    const connection = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
    const consumer = new NatsConsumer(connection);
    connection.subscribe('orders', {
      callback: (_, raw) => void consumer.received.push({ ...raw.json<{ data: Forwarded }>().data, raw }),
    });
    // The server has the subscription when it has answered this.
    await connection.flush();
    return consumer;
  }

  get ids(): Set<string> {
    return new Set(this.received.map(({ id }) => id));
  }

  stop(): Promise<void> {
    return this.connection.close();
  }
}
