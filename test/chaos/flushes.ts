import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createConnection } from 'mysql2/promise';
import { openReader, text } from './audit/sql.js';
import type { StoreName } from './scene.js';
import type { ChaosServers } from './servers.js';
import { BrokerHttp } from './workload/http.js';

/** What a kill of a process cannot show: whether what is acknowledged was flushed to the disk before the answer. */
export interface FlushCount {
  store: StoreName;
  /** Acknowledged calls, one after the other, so that each is a batch of its own. */
  batches: number;
  /** Flushes that the writing process asked the kernel for meanwhile. */
  flushes: number;
  /** The same without any call for as long: what renewing a lease and the like costs. */
  idleFlushes: number;
}

const batches = 200;

/**
 * Counts flushes while a broker without subscriptions acknowledges batches one at a time: `fsync` and `fdatasync` of the process
 * that writes, which is the broker for SQLite, and the database server else. Needs `strace`, and for a server one of this machine.
 */
export async function countFlushes(servers: ChaosServers, folder: string, store: StoreName): Promise<FlushCount> {
  mkdirSync(folder, { recursive: true });
  const schema = `flushes_${process.pid}`;
  const url = new URL(servers.mysqlUrl);
  url.pathname = `/${schema}`;
  const storeUrl = store === 'sqlite' ? `sqlite:${join(folder, 'halfbox.db')}` : url.href;
  const port = await servers.freePort();
  const broker = startBroker(folder, storeUrl, port);
  const children: ChildProcess[] = [broker];
  try {
    const http = new BrokerHttp([`http://127.0.0.1:${port}`]);
    await untilReady(http, broker, folder);
    const writer = store === 'sqlite' ? broker.pid! : await pidOf(servers.mysqlUrl);
    const trace = new Trace(join(folder, 'trace'), writer);
    children.unshift(trace.process);
    await trace.begun();
    const send = async (body: number): Promise<void> => {
      const { status } = await http.post('/v1/messages', { topic: 'flushes', body });
      if (status !== 201) throw new Error(`a send was answered ${status}`);
    };
    await send(-1);
    const before = trace.flushes;
    const startedAt = performance.now();
    for (let count = 0; count < batches; count += 1) await send(count);
    const flushes = trace.flushes - before;
    const tookMs = performance.now() - startedAt;
    const idleFrom = trace.flushes;
    await new Promise((resolve) => setTimeout(resolve, tookMs));
    return { store, batches, flushes, idleFlushes: trace.flushes - idleFrom };
  } finally {
    for (const child of children) {
      const ended = once(child, 'exit');
      if (child.exitCode === null && child.kill(child === broker ? 'SIGTERM' : 'SIGINT')) await ended;
    }
    if (store === 'mariadb') await drop(servers.mysqlUrl, schema);
  }
}

/** The flushes of a running process, as they are made. */
class Trace {
  readonly process: ChildProcess;

  constructor(
    private readonly path: string,
    pid: number,
  ) {
    const what = ['-e', 'trace=fsync,fdatasync', '-e', 'signal=none'];
    this.process = spawn('strace', ['-f', ...what, '-o', path, '-p', String(pid)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  }

  /** Resolves when the process is being watched. */
  async begun(): Promise<void> {
    const failed = once(this.process, 'error').then(([error]) => Promise.reject(error as Error));
    await Promise.race([once(this.process.stderr!, 'data'), failed]);
    failed.catch(() => undefined);
  }

  /** One line for each that ends; those of several threads that overlap take two, of which the second one counts. */
  get flushes(): number {
    if (!existsSync(this.path)) return 0;
    return readFileSync(this.path, 'utf8')
      .split('\n')
      .filter((line) => line.endsWith('= 0')).length;
  }
}

function startBroker(folder: string, storeUrl: string, port: number): ChildProcess {
  const log = openSync(join(folder, 'broker.log'), 'a');
  return spawn(process.execPath, [fileURLToPath(new URL('../../src/main.js', import.meta.url))], {
    env: { ...process.env, HALFBOX_STORE_URL: storeUrl, HALFBOX_PORT: String(port), HALFBOX_LOG_LEVEL: 'warn' },
    stdio: ['ignore', log, log],
  });
}

async function untilReady(http: BrokerHttp, broker: ChildProcess, folder: string): Promise<void> {
  while ((await http.call('GET', '/health/ready').catch(() => undefined))?.status !== 200) {
    if (broker.exitCode !== null) throw new Error(readFileSync(join(folder, 'broker.log'), 'utf8'));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function pidOf(mysqlUrl: string): Promise<number> {
  const reader = await openReader(mysqlUrl);
  try {
    const [row] = await reader.rows('SELECT @@pid_file AS path');
    return Number(readFileSync(text(row?.['path']), 'utf8'));
  } finally {
    await reader.close();
  }
}

async function drop(mysqlUrl: string, schema: string): Promise<void> {
  const connection = await createConnection(mysqlUrl);
  await connection.query(`DROP DATABASE IF EXISTS ${schema}`).finally(() => connection.end());
}
