import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { databaseVersion } from './database.js';
import { redisVersion } from './redis.js';
import type { Servers } from './scenario.js';

/** The commit that is measured, with `+` where files differ from it; `unknown` outside of a clone. */
function commit(): string {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8', stdio: 'pipe' }).trim();
    const isChanged = git('status', '--porcelain', '--untracked-files=no', 'src', 'migrations') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? '+' : ''}`;
  } catch {
    return 'unknown';
  }
}

/** Where and with what a run was measured. */
export async function describeMachine({ mysqlUrl, redisUrl }: Servers): Promise<Record<string, unknown>> {
  return {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    database: await databaseVersion(mysqlUrl),
    redis: await redisVersion(redisUrl),
    halfbox: commit(),
  };
}
