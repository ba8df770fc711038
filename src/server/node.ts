import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { Admission } from '../api/admission.js';
import type { Health, Services } from '../api/services.js';
import type { Settings } from '../config/settings.js';
import type { Clock } from '../message/clock.js';
import { BacklogGauges } from '../metrics/backlog-gauges.js';
import { BrokerMetrics } from '../metrics/broker-metrics.js';
import type { RelaySettings } from '../relay/relay-settings.js';
import type { Logger } from '../runtime/logger.js';
import type { MessageStore } from '../store/message-store.js';
import { openStore } from '../store/open-store.js';
import { Broker } from './broker.js';
import type { EmbeddedCaller } from './embedded-caller.js';
import { openEngine, type Engine } from './engine.js';
import { createHttpApp, type HttpApp, type Listener } from './http-app.js';
import { refuseCompany, unreachableUrl } from './sole-node.js';

/** A call waits so long while no node has the subscription: longer than a killed owner's lease. */
const takeOverWaitMs = 8_000;
/** Bound of one look at the store or the engine for readiness. */
const healthTimeoutMs = 2_000;

export interface NodeOptions {
  /**
   * Whether it listens for HTTP. Default true. Without an API only this process can call it ({@link RunningNode.caller}),
   * other nodes cannot either: it must then be the only broker on its database, and is refused beside another one.
   */
  api?: boolean | undefined;
  /** Default: the store's clock. */
  clock?: Clock | undefined;
  relay?: Partial<RelaySettings> | undefined;
}

/** A broker that runs in this process. */
export interface RunningNode {
  broker: Broker;
  http: HttpApp;
  /** For calls of this process: no socket, every scope. `new HalfboxClient(node.caller)`. */
  caller: EmbeddedCaller;
  /** Where it listens; without an API `embedded:…`, which nobody can call. */
  url: string;
  /** Where its data lies; without credentials. */
  storeDescription: string;
  /** Refuses new requests, finishes those in hand within `shutdownMs`, hands its subscriptions over, and closes everything. */
  stop(): Promise<void>;
}

/** Opens the store, starts a broker on it and serves the HTTP contract. Nothing is left open when it throws. */
export async function startNode(
  settings: Settings,
  logger: Logger,
  version: string,
  options: NodeOptions = {},
): Promise<RunningNode> {
  const metrics = new BrokerMetrics();
  const store = await openStore(settings.storeUrl, {
    poolSize: settings.poolSize,
    onStatement: metrics.onStatement,
    onCreated: (place) => logger.info({ place }, 'there was no database at HALFBOX_STORE_URL: a new one was created'),
  });
  const engine = openEngine(settings.redisUrl, logger);
  try {
    return await serve({ settings, logger, version, metrics, store, engine, options });
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
  options: NodeOptions;
}

async function serve(parts: NodeParts): Promise<RunningNode> {
  const { settings, logger, version, metrics, store, engine, options } = parts;
  if (settings.bodyBytesMax > store.batchBytesMax) {
    throw new Error(
      `HALFBOX_BODY_BYTES_MAX is ${settings.bodyBytesMax}, but the database takes at most ${store.batchBytesMax} bytes ` +
        'in one statement: raise its max_allowed_packet or lower HALFBOX_BODY_BYTES_MAX',
    );
  }
  const { api = true, clock, relay } = options;
  const address = api ? await addressOf(settings) : null;
  const { half, check, retention, overdueBacklogs } = metrics;
  const observers = { half, check, retention, overdueBacklogs };
  const url = address?.advertised ?? unreachableUrl(randomUUID());
  const broker = new Broker({ settings, store, engine, logger, version, url, observers, clock, relay });
  metrics.listen(broker.relay.events, broker.queueEvents);
  metrics.watchStreams(() => broker.streams.open.count);
  let stopping = false;
  const http = await createHttpApp(await servicesOf(parts, broker), () => stopping);
  const { caller } = http;
  await startBroker(broker, parts, url);
  let listener: Listener | undefined;
  try {
    if (address) listener = await http.listen(settings, address.port);
  } catch (error) {
    await broker.stop();
    throw error;
  }
  const stop = async (): Promise<void> => {
    stopping = true;
    // Callers that wait for deliveries are answered when their subscription is given back; the others need the store.
    const closed = within(Promise.all([listener?.close() ?? http.app.close(), caller.close()]), settings.shutdownMs);
    await within(broker.handOver(), settings.shutdownMs);
    await closed;
    listener?.kill();
    await within(broker.stop(), settings.shutdownMs);
  };
  return { broker, http, caller, url: address?.url ?? url, storeDescription: store.description, stop };
}

/** Where it listens, and where others reach it. */
async function addressOf(settings: Settings): Promise<{ port: number; url: string; advertised: string }> {
  const { host } = settings;
  const port = settings.port === 0 ? await freePort(host) : settings.port;
  return { port, url: urlOf(host, port), advertised: settings.advertiseUrl ?? urlOf(reachableHost(host), port) };
}

/** Starts it where it may be: see {@link NodeOptions.api}. */
async function startBroker(broker: Broker, { settings, store }: NodeParts, url: string): Promise<void> {
  // A SQLite file has one process: rows of others are left from a crash.
  const shared = !settings.storeUrl.startsWith('sqlite:');
  const node = { id: broker.id, url };
  if (shared) await refuseCompany(store, node);
  await broker.start();
  try {
    // Another one may have started meanwhile.
    if (shared) await refuseCompany(store, node, 0);
  } catch (error) {
    await broker.stop();
    throw error;
  }
}

async function servicesOf({ settings, logger, metrics, store, engine }: NodeParts, broker: Broker): Promise<Services> {
  const { storeId, nodeSecret } = await store.nodes.identity();
  const gauges = new BacklogGauges(metrics.registry, store.lookup, store.subscriptions, broker.clock, logger);
  const {
    clock,
    topics,
    producers,
    transactions,
    sender,
    targets,
    transports,
    checks,
    streams,
    relay,
    pull,
    durability,
  } = broker;
  return {
    store,
    clock,
    logger,
    node: { id: broker.id, storeId, secret: nodeSecret },
    apiKeys: settings.apiKeys,
    admission: new Admission(settings, undefined, () => metrics.refused(1)),
    topics,
    producers,
    transactions,
    sender,
    targets,
    transports,
    durability: () => durability.report.actual,
    health: () => healthOf(store, engine, broker),
    takeOverWaitMs,
    relay,
    pull,
    checks,
    streams,
    removeQueue: (topic, group) => engine.queues.open(topic, group).obliterate(),
    metrics: {
      contentType: metrics.registry.contentType,
      refused: metrics.refused,
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
