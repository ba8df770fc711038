import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openReader } from './audit/sql.js';
import type { StoreName } from './scene.js';
import type { ChaosServers } from './servers.js';
import { BrokerHttp } from './workload/http.js';

/** What a kill of a process cannot show: whether what is acknowledged lies on the disk. */
export interface FlushCount {
  store: StoreName;
  /** Acknowledged calls, one after the other, so that each is a batch of its own. */
  batches: number;
  flushes: number;
  how: string;
}

const batches = 200;

/** Counts flushes while a broker without subscriptions acknowledges batches one at a time. */
export async function countFlushes(servers: ChaosServers, folder: string, store: StoreName): Promise<FlushCount> {
  mkdirSync(folder, { recursive: true });
  const trace = join(folder, 'trace');
  const url = new URL(servers.mysqlUrl);
  url.pathname = `/flushes_${process.pid}`;
  const storeUrl = store === 'sqlite' ? `sqlite:${join(folder, 'halfbox.db')}` : url.href;
  const port = await servers.freePort();
  const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));
  // SQLite flushes within the broker, whose system calls are counted; MariaDB counts for itself.
  const [command, ...args] =
    store === 'sqlite'
      ? ['strace', '-f', '-qq', '-e', 'trace=fsync,fdatasync', '-o', trace, process.execPath, main]
      : [process.execPath, main];
  const log = openSync(join(folder, 'broker.log'), 'a');
  const broker = spawn(command!, args, {
    env: { ...process.env, HALFBOX_STORE_URL: storeUrl, HALFBOX_PORT: String(port), HALFBOX_LOG_LEVEL: 'warn' },
    stdio: ['ignore', log, log],
  });
  try {
    const http = new BrokerHttp([`http://127.0.0.1:${port}`]);
    while ((await http.call('GET', '/health/ready').catch(() => undefined))?.status !== 200) {
      if (broker.exitCode !== null) throw new Error(readFileSync(join(folder, 'broker.log'), 'utf8'));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const flushed = (): Promise<number> => (store === 'sqlite' ? traced(trace) : counted(servers.mysqlUrl));
    await http.post('/v1/messages', { topic: 'flushes', body: 0 });
    const before = await flushed();
    for (let count = 0; count < batches; count += 1) {
      const { status } = await http.post('/v1/messages', { topic: 'flushes', body: count });
      if (status !== 201) throw new Error(`a send was answered ${status}`);
    }
    const flushes = (await flushed()) - before;
    const how =
      store === 'sqlite' ? 'fsync and fdatasync of the broker, by strace' : 'Innodb_os_log_fsyncs of the server';
    return { store, batches, flushes, how };
  } finally {
    const ended = once(broker, 'exit');
    broker.kill('SIGTERM');
    await ended;
    if (store === 'mariadb') {
      const { createConnection } = await import('mysql2/promise');
      const connection = await createConnection(servers.mysqlUrl);
      await connection.query(`DROP DATABASE IF EXISTS ${url.pathname.slice(1)}`);
      await connection.end();
    }
  }
}

function traced(path: string): Promise<number> {
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  return Promise.resolve(
    lines.filter((line) => /\b(fsync|fdatasync)\(\d+\)\s+= 0/.test(line) || line.includes('resumed>')).length,
  );
}

async function counted(mysqlUrl: string): Promise<number> {
  const reader = await openReader(mysqlUrl);
  try {
    const [row] = await reader.rows("SHOW GLOBAL STATUS LIKE 'Innodb_os_log_fsyncs'");
    return Number(row?.['Value']);
  } finally {
    await reader.close();
  }
}
