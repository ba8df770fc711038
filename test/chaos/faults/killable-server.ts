import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { Redis } from 'ioredis';
import { setup } from '../servers.js';

interface ServerPlan {
  url: string;
  program: string;
  args: string[];
  folder: string;
  ask(url: string): Promise<unknown>;
}

interface PrivateServers {
  diesWithThisProcess(program: string, args: string[]): [command: string, args: string[]];
  freePort(): Promise<number>;
  temporaryFolder(): string;
  untilAnswered(ask: () => Promise<unknown>): Promise<unknown>;
}

const privateServers = (): Promise<PrivateServers> => setup<PrivateServers>('private-server.mjs');

async function programOf(names: string[]): Promise<string> {
  const { findProgram } = await setup<{ findProgram(names: string[]): string | null }>('machine.mjs');
  const program = findProgram(names);
  if (program === null) throw new Error(`this fault needs ${names.join(' or ')} on the PATH`);
  return program;
}

/** A server of one scene, which is killed and started again on the same port and data. */
export class KillableServer {
  #child: ChildProcess | undefined;

  private constructor(private readonly plan: ServerPlan) {}

  /** Flushes each commit, as the default of the broker asks. */
  static async mariadb(): Promise<KillableServer> {
    const { prepareMysql, readVersion, mysqlServer } = await setup<{
      prepareMysql(program: string, folder: string): Promise<{ url: string; args: string[] }>;
      readVersion(url: string): Promise<string>;
      mysqlServer: { programs: string[] };
    }>('mysql-server.mjs');
    const program = await programOf(mysqlServer.programs);
    const folder = (await privateServers()).temporaryFolder();
    return KillableServer.#started({ ...(await prepareMysql(program, folder)), program, folder, ask: readVersion });
  }

  /** Keeps nothing on disk: after a kill it is empty. */
  static async redis(): Promise<KillableServer> {
    const { ping, redisServer } = await setup<{
      ping(url: string): Promise<void>;
      redisServer: { programs: string[] };
    }>('redis-server.mjs');
    const program = await programOf(redisServer.programs);
    const { temporaryFolder, freePort } = await privateServers();
    const [folder, port] = [temporaryFolder(), await freePort()];
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
    return KillableServer.#started({ url: `redis://127.0.0.1:${port}`, program, args, folder, ask: ping });
  }

  static async #started(plan: ServerPlan): Promise<KillableServer> {
    const server = new KillableServer(plan);
    try {
      await server.start();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get url(): string {
    return this.plan.url;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const { url, program, args, ask } = this.plan;
    const { diesWithThisProcess, untilAnswered } = await privateServers();
    const [command, commandArgs] = diesWithThisProcess(program, args);
    const child = spawn(command, commandArgs, { stdio: 'ignore' });
    this.#child = child;
    const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${program} ended with ${code}`)));
    ended.catch(() => undefined);
    await Promise.race([untilAnswered(() => ask(url)), ended]);
  }

  get hasEnded(): boolean {
    return this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async kill(): Promise<void> {
    if (this.hasEnded) return;
    const exited = once(this.#child!, 'exit');
    this.#child!.kill('SIGKILL');
    await exited;
  }

  /** Leaves nothing behind. */
  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.plan.folder, { recursive: true, force: true, maxRetries: 5 });
  }
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
