import { ClientRedis, type ReadPacket, type RedisOptions } from '@nestjs/microservices';
import { NobodyListens, type TransportClient } from '../transport-client.js';

/** Confirms when Redis has passed the message to at least one subscriber. */
class CountingRedisClient extends ClientRedis {
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
