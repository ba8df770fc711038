import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createConnection } from 'mysql2/promise';
import { databasePid, freshDatabase } from '../../database.js';
import type { Peer, PeerFigures } from '../../peer.js';
import { peakMiB, residentMiB } from '../../process-usage.js';
import { redisPid } from '../../redis.js';
import type { Window } from '../../scenario.js';
import { freePort } from '../../servers.js';
import { deliveredPerSecond, measureLoad, notesOn } from '../load.js';
import { builtFolder, notInstalled, Program, runToEnd, sourcesOf, withTemporaryFolder } from '../program.js';

const bodyBytes = 256;
const inFlight = 128;

/** Where DTM keeps its transactions, in the words of its settings; `drop` removes what it has kept there. */
interface Store {
  environment: Record<string, string>;
  server: Record<string, number | undefined>;
  durability: string;
  drop(): Promise<void>;
}

/** DTM's two-phase messages on the MariaDB or the Redis of the run. */
export function dtm(driver: 'mysql' | 'redis'): Peer {
  return {
    name: `dtm-${driver}`,
    missing: () => notInstalled(['go']),
    run: (window, servers) =>
      withTemporaryFolder(async (folder) => {
        const built = await build();
        const store = driver === 'mysql' ? await inMariaDb(servers.mysqlUrl) : await inRedis(servers.redisUrl);
        try {
          return await measure(built, store, window, folder);
        } finally {
          await store.drop();
        }
      }),
  };
}

/** Builds DTM and the load program; Go's own cache makes that quick after the first time. */
async function build(): Promise<string> {
  const built = builtFolder('dtm');
  await runToEnd('go', ['build', '-o', `${built}/`, '.', 'github.com/dtm-labs/dtm'], sourcesOf('dtm'));
  return built;
}

async function inMariaDb(mysqlUrl: string): Promise<Store> {
  const module = await runToEnd('go', ['list', '-m', '-f', '{{.Dir}}', 'github.com/dtm-labs/dtm'], sourcesOf('dtm'));
  const tables = readFileSync(join(module.trim(), 'sqls/dtmsvr.storage.mysql.sql'), 'utf8');
  const database = await freshDatabase(mysqlUrl);
  const url = new URL(database.url);
  const name = url.pathname.slice(1);
  const connection = await createConnection({ uri: database.url, multipleStatements: true });
  await connection.query(tables.replace(/\bdtm\b(?=\.|$)/gm, name));
  await connection.end();
  return {
    environment: {
      STORE_DRIVER: 'mysql',
      STORE_HOST: url.hostname,
      STORE_PORT: url.port || '3306',
      STORE_USER: decodeURIComponent(url.username),
      STORE_PASSWORD: decodeURIComponent(url.password),
      STORE_DB: name,
      STORE_MAX_OPEN_CONNS: String(inFlight),
      STORE_MAX_IDLE_CONNS: String(inFlight),
    },
    server: { database: await databasePid(mysqlUrl) },
    durability: 'MariaDB of the run, each commit flushed',
    drop: () => database.drop(),
  };
}

async function inRedis(redisUrl: string): Promise<Store> {
  const redis = new Redis(redisUrl);
  const prefix = `{halfbox-bench-${process.pid}}`;
  const setting = async (name: string) => ((await redis.config('GET', name)) as [string, string])[1];
  const isAppending = (await setting('appendonly')) === 'yes';
  const flushed = isAppending ? `appendfsync ${await setting('appendfsync')}` : 'not flushed';
  const url = new URL(redisUrl);
  return {
    environment: {
      STORE_DRIVER: 'redis',
      STORE_HOST: url.hostname,
      STORE_PORT: url.port || '6379',
      STORE_USER: decodeURIComponent(url.username),
      STORE_PASSWORD: decodeURIComponent(url.password),
      STORE_REDIS_PREFIX: prefix,
    },
    server: { redis: await redisPid(redisUrl) },
    durability: `Redis of the run, ${flushed}`,
    drop: async () => {
      for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1000 })) {
        if ((keys as string[]).length > 0) await redis.unlink(keys as string[]);
      }
      redis.disconnect();
    },
  };
}

async function measure(built: string, store: Store, window: Window, folder: string): Promise<PeerFigures> {
  const [httpPort, grpcPort] = [await freePort(), await freePort()];
  const server = await Program.start('dtm', [join(built, 'dtm')], folder, {
    ...store.environment,
    HTTP_PORT: String(httpPort),
    GRPC_PORT: String(grpcPort),
    LOG_LEVEL: 'warn',
    GIN_MODE: 'release',
  });
  try {
    await server.listensOn(httpPort);
    const brokerIdleMiB = residentMiB(server.pid);
    const load = await Program.start('load', loadCommand(built, httpPort, window), folder);
    try {
      const figures = await measureLoad(load, { broker: server.pid, ...store.server }, window);
      return {
        transactionalPerSecond: deliveredPerSecond(figures),
        endToEndMs: figures.endToEndMs,
        brokerIdleMiB,
        brokerPeakMiB: peakMiB(server.pid),
        cpuMicrosPerMessage: figures.cpuMicrosPerMessage,
        version: 'DTM 1.19.0',
        durability: store.durability,
        notes: notesOn(`${inFlight} in flight`, figures),
      };
    } finally {
      await load.stop();
    }
  } finally {
    await server.stop();
  }
}

function loadCommand(built: string, port: number, window: Window): [string, ...string[]] {
  const options = {
    dtm: `http://127.0.0.1:${port}`,
    'in-flight': inFlight,
    'warm-up': `${window.warmUpSeconds}s`,
    window: `${window.seconds}s`,
    body: bodyBytes,
  };
  return [join(built, 'dtm-load'), ...Object.entries(options).map(([name, value]) => `-${name}=${value}`)];
}
