import { BullEngine } from '../queue/bull/bull-engine.js';
import { RedisConnections } from '../queue/bull/redis-connections.js';
import { RedisWakeChannel } from '../queue/bull/redis-wake-channel.js';
import { MemoryEngine } from '../queue/memory/memory-engine.js';
import type { QueueEngine } from '../queue/queue-engine.js';
import type { WakeChannel } from '../relay/wake-channel.js';
import type { Logger } from '../runtime/logger.js';

/** The queue engine that the settings ask for, with the channel by which nodes wake each other where there is Redis. */
export interface Engine {
  queues: QueueEngine;
  wakeChannel?: WakeChannel;
  close(): Promise<void>;
}

/** @param redisUrl absent: the memory engine */
export function openEngine(redisUrl: string | undefined, logger: Logger): Engine {
  if (redisUrl === undefined) {
    const queues = new MemoryEngine();
    return { queues, close: () => queues.close() };
  }
  const connections = new RedisConnections(redisUrl, logger);
  const queues = new BullEngine(connections, logger);
  return {
    queues,
    wakeChannel: new RedisWakeChannel(connections, logger),
    close: async () => {
      await queues.close();
      connections.close();
    },
  };
}
