import { once } from 'node:events';
import { createServer } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import type { Health, Services } from '../api/services.js';
import type { Settings } from '../config/settings.js';
import { BacklogGauges } from '../metrics/backlog-gauges.js';
import { BrokerMetrics } from '../metrics/broker-metrics.js';
import type { Logger } from '../runtime/logger.js';
import type { MessageStore } from '../store/message-store.js';
import { openStore } from '../store/open-store.js';
import { Broker } from './broker.js';
import { openEngine, type Engine } from './engine.js';
import { createHttpApp, type HttpApp } from './http-app.js';

/** A call waits so long while no node has the subscription: longer than a killed owner's lease. */
const takeOverWaitMs = 8_000;
/** Bound of one look at the store or the engine for readiness. */
const healthTimeoutMs = 2_000;

/** A broker with its HTTP API, listening. */
export interface RunningNode {
  broker: Broker;
  http: HttpApp;
  /** Where it listens. */
  url: string;
  /** Where its data lies; without credentials. */
  storeDescription: string;
  /** Refuses new requests, finishes those in hand within `shutdownMs`, hands its subscriptions over, and closes everything. */
  stop(): Promise<void>;
}

/** Opens the store, starts a broker on it and serves the HTTP contract. Nothing is left open when it throws. */
export async function startNode(settings: Settings, logger: Logger, version: string): Promise<RunningNode> {
  const metrics = new BrokerMetrics();
  const store = await openStore(settings.storeUrl, { poolSize: settings.poolSize, onStatement: metrics.onStatement });
  const engine = openEngine(settings.redisUrl, logger);
  try {
    return await serve({ settings, logger, version, metrics, store, engine });
  } catch (error) {
    await engine.close();
    await store.close();
    throw error;
  }
}

interface NodeParts {
  settings: Settings;
  logger: Logger;
  version: string;
  metrics: BrokerMetrics;
  store: MessageStore;
  engine: Engine;
}

async function serve(parts: NodeParts): Promise<RunningNode> {
  const { settings, logger, version, metrics, store, engine } = parts;
  if (settings.bodyBytesMax > store.batchBytesMax) {
    throw new Error(
      `HALFBOX_BODY_BYTES_MAX is ${settings.bodyBytesMax}, but the database takes at most ${store.batchBytesMax} bytes ` +
        'in one statement: raise its max_allowed_packet or lower HALFBOX_BODY_BYTES_MAX',
    );
  }
  const port = settings.port === 0 ? await freePort(settings.host) : settings.port;
  const url = urlOf(settings.host, port);
  const advertised = settings.advertiseUrl ?? urlOf(reachableHost(settings.host), port);
  const { half, check, retention, overdueBacklogs } = metrics;
  const observers = { half, check, retention, overdueBacklogs };
  const broker = new Broker({ settings, store, engine, logger, version, url: advertised, observers });
  metrics.listen(broker.relay.events, broker.queueEvents);
  let stopping = false;
  const http = await createHttpApp(await servicesOf(parts, broker), () => stopping);
  await broker.start();
  try {
    await http.app.listen(port, settings.host);
  } catch (error) {
    await broker.stop();
    throw error;
  }
  const stop = async (): Promise<void> => {
    stopping = true;
    // Callers that wait for deliveries are answered when their subscription is given back; the others need the store.
    const closed = within(http.app.close(), settings.shutdownMs);
    await within(broker.handOver(), settings.shutdownMs);
    await closed;
    await within(broker.stop(), settings.shutdownMs);
  };
  return { broker, http, url, storeDescription: store.description, stop };
}

async function servicesOf({ settings, logger, metrics, store, engine }: NodeParts, broker: Broker): Promise<Services> {
  const { storeId, nodeSecret } = await store.nodes.identity();
  const gauges = new BacklogGauges(metrics.registry, store.lookup, store.subscriptions, broker.clock, logger);
  const { clock, topics, producers, transactions, sender, targets, checks, relay, pull, durability } = broker;
  return {
    store,
    clock,
    logger,
    node: { id: broker.id, storeId, secret: nodeSecret },
    apiKeys: settings.apiKeys,
    topics,
    producers,
    transactions,
    sender,
    targets,
    durability: () => durability.report.actual,
    health: () => healthOf(store, engine, broker),
    takeOverWaitMs,
    relay,
    pull,
    checks,
    removeQueue: (topic, group) => engine.queues.open(topic, group).obliterate(),
    metrics: {
      contentType: metrics.registry.contentType,
      text: async () => {
        await gauges.refresh();
        return metrics.text();
      },
    },
  };
}

async function healthOf(store: MessageStore, engine: Engine, broker: Broker): Promise<Health> {
  const [storeError, engineError] = await Promise.all([errorOf(store.now()), errorOf(engine.queues.ping())]);
  const { fulfilled, asked, report } = broker.durability;
  return {
    store: { ok: storeError === undefined, description: store.description, ...(storeError && { error: storeError }) },
    engine: { ok: engineError === undefined, name: engine.queues.name, ...(engineError && { error: engineError }) },
    durability: { ok: fulfilled, asked, ...report },
  };
}

/** What went wrong within the bound; undefined when nothing did. */
async function errorOf(check: Promise<unknown>): Promise<string | undefined> {
  try {
    await Promise.race([check, rejectAfter(healthTimeoutMs)]);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function rejectAfter(timeoutMs: number): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs).unref();
  });
}

/** Waits for the work, but no longer than that. */
async function within(work: Promise<unknown>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** A host that other machines may know this one by: its first outer address where it listens on all of them. */
function reachableHost(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host;
  const outer = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, family }) => !internal && (host === '::' || family === 'IPv4'));
  return (outer.find(({ family }) => family === 'IPv4') ?? outer[0])?.address ?? hostname();
}

async function freePort(host: string): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
