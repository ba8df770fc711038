import { Redis } from 'ioredis';
import { cpuSeconds, peakMiB, startBroker, type Broker, type Worker } from './children.js';
import { databaseCounters, freshDatabase } from './database.js';
import { percentiles, type Figures } from './figures.js';
import type { Servers, Window } from './scenario.js';

export interface Load {
  /** Which store the broker runs on. */
  store: 'mysql' | 'sqlite';
  redis: boolean;
  startLoad(broker: Broker): Worker;
  /** Absent: nobody consumes, and only the storing is measured. */
  consumer?: {
    /** The subscription of the topic `bench`, as its PUT takes it. */
    group: string;
    subscription: Record<string, unknown>;
    start(broker: Broker): Worker;
  };
}

interface ConsumeEnd {
  delivered: number;
  endToEndMs: number[];
}

interface LoadEnd {
  committed: number;
  errors: number;
  prepareMs: number[];
  commitMs: number[];
}

async function put(url: string, body: unknown): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'PUT', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`PUT ${url}: ${response.status} ${await response.text()}`);
}

async function redisPid(redisUrl: string): Promise<number> {
  const redis = new Redis(redisUrl);
  const info = await redis.info('server');
  redis.disconnect();
  return Number(/process_id:(\d+)/.exec(info)![1]);
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until everything committed was delivered, or 30 s are over; answers what is left. */
async function drain(consumer: Worker, committed: number): Promise<number> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const { delivered } = await consumer.call<{ delivered: number }>('count');
    if (delivered >= committed || Date.now() > deadline) return Math.max(0, committed - delivered);
    await sleep(50);
  }
}

/** Runs one load against a fresh broker and store, and measures the window. `after` may ask the workers for more before they end. */
export async function measure(
  load: Load,
  servers: Servers,
  window: Window,
  after: (load: Worker, consumer: Worker | undefined) => Promise<Figures> = () => Promise.resolve({}),
): Promise<Figures> {
  const database = load.store === 'mysql' ? await freshDatabase(servers.mysqlUrl) : null;
  const directory = `/tmp/halfbox-bench-${process.pid}-${Date.now().toString(36)}`;
  const broker = await startBroker({
    HALFBOX_STORE_URL: database?.url ?? `sqlite:${directory}/halfbox.db`,
    ...(load.redis ? { HALFBOX_REDIS_URL: servers.redisUrl } : {}),
  });
  await put(`${broker.url}/v1/topics/bench`, { shards: 4 });
  const consuming = load.consumer;
  if (consuming) await put(`${broker.url}/v1/subscriptions/bench/${consuming.group}`, consuming.subscription);
  const consumer = consuming?.start(broker);
  const loader = load.startLoad(broker);
  const redis = load.redis ? await redisPid(servers.redisUrl) : undefined;
  try {
    await sleep(window.warmUpSeconds * 1000);
    const before = await databaseCounters(servers.mysqlUrl);
    const pids = {
      broker: broker.pid,
      database: database ? before.pid : undefined,
      redis,
      load: loader.pid,
      consumer: consumer?.pid,
    };
    const sample = () => Object.entries(pids).map(([name, pid]) => [name, cpuSeconds(pid)] as const);
    const cpuBefore = new Map(sample());
    const startedAt = performance.now();
    const { committed: committedBefore } = await loader.call<{ committed: number }>('begin');
    const begun = await consumer?.call<{ delivered: number }>('begin');
    await sleep(window.seconds * 1000);
    const consumed = await consumer?.call<ConsumeEnd>('end');
    const seconds = (performance.now() - startedAt) / 1000;
    const cpuAfter = sample();
    const ended = await loader.call<LoadEnd>('end');
    const stored = ended.committed - committedBefore;
    const counters = await databaseCounters(servers.mysqlUrl);
    const extra = await after(loader, consumer);
    const total = await loader.call<{ committed: number; errors: number }>('halt');
    const lost = consumer ? await drain(consumer, total.committed) : 0;
    if (lost > 0) throw new Error(`${lost} committed messages were not delivered within 30 s of the load's end`);
    const delivered = consumed && consumed.delivered - begun!.delivered;
    const messages = delivered ?? stored;
    const used = cpuAfter
      .map(([name, cpu]) => [name, cpu - cpuBefore.get(name)!] as const)
      .filter(([, cpu]) => cpu > 0);
    return {
      storedPerSecond: stored / seconds,
      ...(delivered !== undefined && { deliveredPerSecond: delivered / seconds }),
      prepareMs: percentiles(ended.prepareMs),
      commitMs: percentiles(ended.commitMs),
      ...(consumed && { endToEndMs: percentiles(consumed.endToEndMs) }),
      cpu: Object.fromEntries(used.map(([name, cpu]) => [name, cpu / seconds])),
      cpuMicrosPerMessage: Object.fromEntries(used.map(([name, cpu]) => [name, (cpu * 1e6) / messages])),
      ...(database && {
        database: {
          statements: (counters.statements - before.statements) / messages,
          commits: (counters.commits - before.commits) / messages,
          redoBytes: (counters.redoBytes - before.redoBytes) / messages,
        },
      }),
      brokerPeakMiB: peakMiB(broker.pid),
      ...(consumed && { backlogAtEnd: ended.committed - consumed.delivered }),
      errors: total.errors,
      ...extra,
    };
  } finally {
    await loader.stop();
    await consumer?.stop();
    await broker.stop();
    await database?.drop();
  }
}
