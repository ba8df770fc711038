import type { KillableServer } from '../../setup/killable-server.mjs';
import {
  delay,
  onMariadbWithBull,
  onSqliteWithBull,
  type Fault,
  type FaultContext,
  type Stage,
  type Struck,
} from './fault.js';
import { askRedis, killableRedis } from './killable-servers.js';

const places = [onMariadbWithBull, onSqliteWithBull];

/** With a Redis of which the fault knows more than its URL. */
async function onRedis(
  { servers }: FaultContext,
  strike: (redis: KillableServer, struck: Struck) => Promise<void>,
): Promise<Stage> {
  const redis = await killableRedis();
  const startRedis = async () => ({ url: redis.url, stop: () => redis.stop() });
  return {
    scene: { servers: { ...servers, startRedis } },
    strike: async (struck) => {
      const at = Date.now();
      await strike(redis, struck);
      return { at, healedAt: Date.now() };
    },
    close: () => redis.stop(),
  };
}

export const redisKilled: Fault = {
  name: 'redis.killed',
  what: 'SIGKILL of a Redis that keeps nothing on disk; it comes back empty after 0 to 3 s',
  places,
  prepare: (context) =>
    onRedis(context, async (redis, { random }) => {
      await redis.kill();
      await delay(random.integer(0, 3_000));
      await redis.start();
    }),
};

export const redisFlushed: Fault = {
  name: 'redis.flushall',
  what: 'FLUSHALL: jobs, scripts and everything else in Redis are gone',
  places,
  prepare: (context) => onRedis(context, async ({ url }) => void (await askRedis(url, (redis) => redis.flushall()))),
};

export const redisClientsKilled: Fault = {
  name: 'redis.client-kill',
  what: 'CLIENT KILL of all connections, normal ones and those of channels',
  places,
  prepare: (context) =>
    onRedis(context, ({ url }) =>
      askRedis(url, async (redis) => {
        await redis.client('KILL', 'TYPE', 'pubsub');
        await redis.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      }),
    ),
};

export const redisFull: Fault = {
  name: 'redis.full',
  what: 'maxmemory below what is used, with noeviction, for 1 to 4 s: Redis refuses every write',
  places,
  prepare: (context) =>
    onRedis(context, ({ url }, { random }) =>
      askRedis(url, async (redis) => {
        await redis.config('SET', 'maxmemory-policy', 'noeviction');
        await redis.config('SET', 'maxmemory', '100kb');
        const refused = await redis.set('a-key', 'a value').catch((error: Error) => error.message);
        if (!refused?.startsWith('OOM')) throw new Error(`Redis is not full: ${refused}`);
        await delay(random.integer(1_000, 4_000));
        await redis.config('SET', 'maxmemory', '0');
      }),
    ),
};
