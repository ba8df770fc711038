import { ClientRedis, type ReadPacket, type RedisOptions } from '@nestjs/microservices';
import { NobodyListens, type TransportClient } from '../transport-client.js';

/** How long Redis has to answer that it is left. */
const quitMsMax = 1_000;

interface Connectable {
  disconnect(): void;
}

/** Confirms when Redis has passed the message to at least one subscriber. */
class CountingRedisClient extends ClientRedis {
  #closed = false;

  /** Its own way waits for an answer of Redis for ever, and gives up where there is no connection yet. */
  override async close(): Promise<void> {
    this.#closed = true;
    const clients = [this.pubClient, this.subClient] as (Connectable | null | undefined)[];
    let timer: NodeJS.Timeout | undefined;
    const elapsed = new Promise<void>((resolve) => (timer = setTimeout(resolve, quitMsMax)));
    await Promise.race([super.close(), elapsed]).catch(() => undefined);
    clearTimeout(timer);
    for (const client of clients) client?.disconnect();
  }

  override async createClient(): ReturnType<ClientRedis['createClient']> {
    const client: Awaited<ReturnType<ClientRedis['createClient']>> = await super.createClient();
    // Closed meanwhile: nobody would end its connection.
    if (this.#closed) throw new Error('Connection closed');
    return client;
  }

  protected override async dispatchEvent(packet: ReadPacket): Promise<void> {
    const pattern = this.normalizePattern(packet.pattern as string);
    const serialized: unknown = this.serializer.serialize(packet);
    const publisher = this.pubClient as { publish(channel: string, text: string): Promise<number> };
    if ((await publisher.publish(pattern, JSON.stringify(serialized))) === 0) throw new NobodyListens();
  }
}

/** What waits for a connection would be sent after it was given up, so nothing waits. */
const nothingWaits = { enableOfflineQueue: false, autoResendUnfulfilledCommands: false };

export function openRedis(options: Record<string, unknown>): TransportClient {
  return {
    proxy: new CountingRedisClient({ ...nothingWaits, ...options } as RedisOptions['options'] & object),
    event: ({ data }) => data,
    question: (question) => question,
  };
}
