import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { Redis } from 'ioredis';
import { freePort, temporaryFolder, untilAnswered } from '../setup/private-server.mjs';
import { ping } from '../setup/redis-server.mjs';

/** A Redis of one test, which may wipe and kill it. It keeps a file only when `save` is called, and starts from it. */
export class PrivateRedis {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly port: number,
    private readonly folder: string,
  ) {}

  static async start(): Promise<PrivateRedis> {
    const redis = new PrivateRedis(await freePort(), temporaryFolder());
    await redis.restart();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async restart(): Promise<void> {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder, '--save', ''];
    this.child = spawn('redis-server', args, { stdio: 'ignore' });
    const failed = once(this.child, 'error').then(([error]) => Promise.reject(error as Error));
    await Promise.race([untilAnswered(() => ping(this.url)), failed]);
    failed.catch(() => undefined);
  }

  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs commands over a connection of their own. */
  async ask<T>(commands: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(this.url);
    try {
      return await commands(redis);
    } finally {
      redis.disconnect();
    }
  }

  async connections(): Promise<number> {
    const list = (await this.ask((redis) => redis.client('LIST'))) as string;
    // Less the one that asks.
    return list.trim().split('\n').length - 1;
  }
}
