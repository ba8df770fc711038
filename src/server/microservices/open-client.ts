import type { TransportKind } from '../../config/microservices.js';
import type { TransportClient } from './transport-client.js';

/** Loads the client of a transport, and `@nestjs/microservices` with it, when it is used first. */
export async function openClient(kind: TransportKind, options: Record<string, unknown>): Promise<TransportClient> {
  switch (kind) {
    case 'tcp':
      return (await import('./clients/tcp.js')).openTcp(options);
    case 'redis':
      return (await import('./clients/redis.js')).openRedis(options);
    case 'nats':
      return (await import('./clients/nats.js')).openNats(options);
    case 'rmq':
      return (await import('./clients/rmq.js')).openRmq(options);
    case 'kafka':
      return (await import('./clients/kafka.js')).openKafka(options);
  }
}
