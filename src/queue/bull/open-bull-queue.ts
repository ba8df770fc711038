import { createRequire } from 'node:module';
import type Bull from 'bull';
import type { Redis } from 'ioredis';
import type { RedisConnections } from './redis-connections.js';

const load = createRequire(import.meta.url);

/** Where a Bull queue lies: its keys begin with `{prefix}:{queueName}:`. */
export interface BullPlace {
  connections: RedisConnections;
  prefix: string;
  queueName: string;
}

/** Bull's own object over the shared connections. `connectBlocking` is called only when it becomes a worker. */
export function openBullQueue(place: BullPlace, connectBlocking: () => Redis): Bull.Queue<Record<string, unknown>> {
  // Loaded with the first queue: a broker whose subscriptions are all of other modes is 12 MiB smaller without it.
  const BullQueue = load('bull') as typeof Bull;
  const { connections, prefix, queueName } = place;
  const options: Bull.QueueOptions & { skipVersionCheck: boolean } = {
    prefix,
    // Else each queue asks Redis for its version, again and again.
    skipVersionCheck: true,
    createClient: (type) => {
      if (type === 'client') return connections.client;
      return type === 'subscriber' ? connections.subscriber : connectBlocking();
    },
  };
  return new BullQueue(queueName, options);
}
