import { randomUUID } from 'node:crypto';
import { BullEngine } from '../../src/queue/bull/bull-engine.js';
import { RedisConnections } from '../../src/queue/bull/redis-connections.js';
import { MemoryEngine } from '../../src/queue/memory/memory-engine.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { queueEngineConformance } from './conformance.js';

queueEngineConformance('memory', () => {
  const engine = new MemoryEngine();
  return Promise.resolve({ engine, stop: () => engine.close() });
});

queueEngineConformance('bull', () => {
  const connections = new RedisConnections(process.env.HALFBOX_TEST_REDIS_URL as string, silentLogger);
  const engine = new BullEngine(connections, silentLogger, { prefix: `test-${randomUUID()}` });
  const stop = async (): Promise<void> => {
    await engine.close();
    connections.close();
  };
  return Promise.resolve({ engine, stop });
});
