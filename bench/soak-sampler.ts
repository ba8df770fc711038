import { readdirSync } from 'node:fs';
import { runSql } from './database.js';
import { residentMiB } from './process-usage.js';
import { redisUsedMiB } from './redis.js';
import type { Rig } from './rig.js';

/** What a broker and its servers hold at one moment. */
export type Sample = Record<string, number>;

/** Looks at the first broker of the rig, at Redis, and at the tables of the store. */
export async function sample(rig: Rig): Promise<Sample> {
  const { pid } = rig.brokers[0]!;
  const metrics = await rig.text('GET', '/metrics');
  const metric = (name: string) =>
    Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1] ?? Number.NaN) || Number.NaN;
  const database = new URL(rig.storeUrl).pathname.slice(1);
  // Exact counts: the estimates of information_schema are off by more than a leak would be.
  const count = async (table: string) => {
    const [row] = await runSql<{ n: number }>(rig.servers.mysqlUrl, `SELECT COUNT(*) AS n FROM ${database}.${table}`);
    return Number(row!.n);
  };
  return {
    'broker MiB': residentMiB(pid),
    'heap MiB': metric('nodejs_heap_size_used_bytes') / 2 ** 20,
    handles: metric('nodejs_active_handles_total'),
    'open files': readdirSync(`/proc/${pid}/fd`).length,
    'Redis MiB': await redisUsedMiB(rig.servers.redisUrl),
    'message rows': await count('halfbox_message'),
    'transaction rows': await count('halfbox_transaction'),
    'log rows': await count('halfbox_shard_log'),
  };
}

/**
 * How fast a figure changes, per hour, by least squares over (seconds, value) points.
 * NaN for fewer than two points at different times.
 */
export function slopePerHour(points: readonly (readonly [seconds: number, value: number])[]): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const middleSeconds = mean(points.map(([seconds]) => seconds));
  const middleValue = mean(points.map(([, value]) => value));
  let both = 0;
  let square = 0;
  for (const [seconds, value] of points) {
    both += (seconds - middleSeconds) * (value - middleValue);
    square += (seconds - middleSeconds) ** 2;
  }
  return (both / square) * 3600;
}
