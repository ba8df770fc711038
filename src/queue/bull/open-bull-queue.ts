import Bull from 'bull';
import type { Redis } from 'ioredis';
import type { RedisConnections } from './redis-connections.js';

/** Where a Bull queue lies: its keys begin with `{prefix}:{queueName}:`. */
export interface BullPlace {
  connections: RedisConnections;
  prefix: string;
  queueName: string;
}

/** Bull's own object over the shared connections. `connectBlocking` is called only when it becomes a worker. */
export function openBullQueue(place: BullPlace, connectBlocking: () => Redis): Bull.Queue<Record<string, unknown>> {
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
  return new Bull(queueName, options);
}
