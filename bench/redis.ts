import { Redis } from 'ioredis';

/** Fields of `INFO` by their names. */
async function redisInfo(url: string, section: string): Promise<Map<string, string>> {
  const redis = new Redis(url);
  try {
    const lines = (await redis.info(section)).split('\r\n');
    return new Map(lines.map((line) => line.split(':', 2) as [string, string]));
  } finally {
    redis.disconnect();
  }
}

export async function redisPid(url: string): Promise<number> {
  return Number((await redisInfo(url, 'server')).get('process_id'));
}

/** What its data and buffers take, MiB. */
export async function redisUsedMiB(url: string): Promise<number> {
  return Number((await redisInfo(url, 'memory')).get('used_memory')) / 2 ** 20;
}

export async function redisVersion(url: string): Promise<string> {
  return (await redisInfo(url, 'server')).get('redis_version')!;
}

/** Connections of others than this question. */
export async function redisConnections(url: string): Promise<number> {
  return Number((await redisInfo(url, 'clients')).get('connected_clients')) - 1;
}

export async function emptyRedis(url: string): Promise<void> {
  const redis = new Redis(url);
  try {
    await redis.flushdb();
  } finally {
    redis.disconnect();
  }
}
