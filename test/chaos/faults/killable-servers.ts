import { Redis } from 'ioredis';
import type { KillableServer, ServerPlan } from '../../setup/killable-server.mjs';
import { setup } from '../servers.js';

interface PrivateServers {
  freePort(): Promise<number>;
  temporaryFolder(): string;
}

const privateServers = (): Promise<PrivateServers> => setup<PrivateServers>('private-server.mjs');

async function programOf(names: string[]): Promise<string> {
  const { findProgram } = await setup<{ findProgram(names: string[]): string | null }>('machine.mjs');
  const program = findProgram(names);
  if (program === null) throw new Error(`this fault needs ${names.join(' or ')} on the PATH`);
  return program;
}

async function started(plan: ServerPlan): Promise<KillableServer> {
  const servers = await setup<{ KillableServer: typeof KillableServer }>('killable-server.mjs');
  return servers.KillableServer.started(plan);
}

/** A MariaDB of one scene. It flushes each commit, as the default of the broker asks. */
export async function killableMariadb(): Promise<KillableServer> {
  const { prepareMysql, readVersion, mysqlServer } = await setup<{
    prepareMysql(program: string, folder: string): Promise<{ url: string; args: string[] }>;
    readVersion(url: string): Promise<string>;
    mysqlServer: { programs: string[] };
  }>('mysql-server.mjs');
  const program = await programOf(mysqlServer.programs);
  const folder = (await privateServers()).temporaryFolder();
  return started({ ...(await prepareMysql(program, folder)), program, folder, ask: readVersion });
}

/** A Redis of one scene. It keeps nothing on disk: after a kill it is empty. */
export async function killableRedis(): Promise<KillableServer> {
  const { ping, redisServer } = await setup<{
    ping(url: string): Promise<void>;
    redisServer: { programs: string[] };
  }>('redis-server.mjs');
  const program = await programOf(redisServer.programs);
  const { temporaryFolder, freePort } = await privateServers();
  const [folder, port] = [temporaryFolder(), await freePort()];
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
  return started({ url: `redis://127.0.0.1:${port}`, program, args, folder, ask: ping });
}

/** Runs commands over a connection of their own. */
export async function askRedis<Answer>(url: string, commands: (redis: Redis) => Promise<Answer>): Promise<Answer> {
  const redis = new Redis(url);
  try {
    return await commands(redis);
  } finally {
    redis.disconnect();
  }
}
