import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ChaosProcess } from './chaos-process.js';
import { databasesOf, onServer, type StoreName } from './databases.js';
import type { ConsumerEntry, SubscriptionName } from './facts.js';
import { Journal, readJournal, type Written } from './journal.js';
import type { Order, StepTaken } from './preload/kill-switch.js';
import type { ChaosServers } from './servers.js';
import { producers, subscriptionsOf, topics, type EngineName } from './topology.js';
import { prepareApplicationDatabase } from './workload/database.js';
import { BrokerHttp } from './workload/http.js';
import { OtherSystem } from './workload/other-system.js';

export interface SceneOptions {
  servers: ChaosServers;
  /** Everything of the scene is kept here. */
  folder: string;
  store: StoreName;
  engine: EngineName;
  seed: number;
  /** How many brokers share the store; SQLite takes one. Default 1. */
  brokers?: number;
  /** Times of leases as shipped, instead of the short ones. Default false. */
  defaultTimes?: boolean;
  /** Settings of the brokers beside those of the scene: `HALFBOX_…`. */
  settings?: Record<string, string>;
  /** Further preloads of the brokers, from this folder. */
  preloads?: string[];
  /** Where brokers reach the store, when not at the server itself: through a proxy. */
  storeUrl?: (url: string) => string;
  /** URL of the store, when it is to lie elsewhere than beside the applications' databases. */
  storeAt?: string;
  /** Where brokers reach check-back and push targets, when not at these themselves. */
  targetUrl?: (url: string) => string;
  /** Producer's actors and the mean pause between two things that one of them does. Default 5 and 60 ms. */
  actors?: number;
  pauseMs?: number;
}

/** Something the harness did that may make a message come twice. */
export interface Disturbance {
  at: number;
  until: number;
  what: string;
}

/** One store with everything that works on it, each part a real process that can be killed and started again. */
export class Scene {
  readonly brokers: (ChaosProcess | undefined)[] = [];
  producer: ChaosProcess | undefined;
  consumer: ChaosProcess | undefined;
  /** Beside the kills that the processes write down themselves. */
  readonly disturbances: Disturbance[] = [];
  readonly http: BrokerHttp;
  #redis: { url: string; stop(): Promise<void> } | undefined;
  #checkSecret = '';
  #producerStarts = 0;

  private constructor(
    readonly options: SceneOptions,
    /** Of the store, for an audit that reads it itself. */
    readonly storeUrl: string,
    readonly shopDatabase: string,
    readonly sinkDatabase: string,
    private readonly ports: { brokers: number[]; push: number; check: number },
    private readonly other: OtherSystem,
    private readonly otherJournal: Journal<ConsumerEntry>,
  ) {
    this.http = new BrokerHttp(this.urls);
  }

  /** Makes empty databases; starts no broker, since the first start is a step of its own. */
  static async create(options: SceneOptions): Promise<Scene> {
    const { folder, servers, store, engine, brokers = 1 } = options;
    mkdirSync(folder, { recursive: true });
    const schema = `chaos_${randomBytes(6).toString('hex')}`;
    const [besides, shop, sink] = await databasesOf(store, servers.mysqlUrl, folder, schema);
    const storeUrl = options.storeAt ?? besides;
    await Promise.all([prepareApplicationDatabase(shop), prepareApplicationDatabase(sink)]);
    const ports: number[] = [];
    for (let count = 0; count < brokers + 2; count += 1) ports.push(await servers.freePort());
    const [push, check, ...brokerPorts] = ports as [number, number, ...number[]];
    const otherJournal = new Journal<ConsumerEntry>(join(folder, 'other-system.jsonl'), false);
    const other = await OtherSystem.start(otherJournal);
    const places = { brokers: brokerPorts, push, check };
    const scene = new Scene(options, storeUrl, shop, sink, places, other, otherJournal);
    if (engine === 'bull') scene.#redis = await servers.startRedis();
    return scene;
  }

  get urls(): string[] {
    return this.ports.brokers.map((port) => `http://127.0.0.1:${port}`);
  }

  get redisUrl(): string | undefined {
    return this.#redis?.url;
  }

  path(file: string): string {
    return join(this.options.folder, file);
  }

  get kills(): StepTaken[] {
    return readJournal<StepTaken>(this.path('kills.jsonl'));
  }

  consumerEntries(): Written<ConsumerEntry>[] {
    return [
      ...readJournal<ConsumerEntry>(this.path('consumer.jsonl')),
      ...readJournal<ConsumerEntry>(this.path('other-system.jsonl')),
    ];
  }

  /** Starts a broker; resolves at once. */
  startBroker(index = 0, order?: Order): ChaosProcess {
    const { storeUrl = (url) => url, settings = {}, preloads = [], defaultTimes = false } = this.options;
    const environment = {
      HALFBOX_STORE_URL: storeUrl(this.storeUrl),
      HALFBOX_PORT: String(this.ports.brokers[index]),
      HALFBOX_LOG_LEVEL: 'info',
      HALFBOX_CHECK_TIMEOUT_MS: '400',
      HALFBOX_STREAM_HEARTBEAT_MS: '500',
      HALFBOX_HELD_BACK_MAX: '4',
      HALFBOX_RETENTION_INTERVAL_MS: '200',
      // Longer than the producer goes on trying a prepare (20 s), which would be taken for a new one after it.
      HALFBOX_ROLLED_BACK_RETENTION_MS: '25000',
      HALFBOX_MICROSERVICES: JSON.stringify({ other: { transport: 'tcp', options: { port: this.other.port } } }),
      ...(this.#redis && { HALFBOX_REDIS_URL: this.#redis.url }),
      ...settings,
    };
    const broker = ChaosProcess.start({
      name: `broker-${index}`,
      script: '../../src/main.js',
      args: ['start'],
      environment,
      preloads: [...(defaultTimes ? [] : ['./preload/quick-times.js']), ...preloads],
      log: this.path(`broker-${index}.log`),
      kills: this.path('kills.jsonl'),
      order,
    });
    this.brokers[index] = broker;
    return broker;
  }

  /** Resolves when the broker is ready; false when it has ended before. */
  async ready(index = 0, withinMs = 180_000): Promise<boolean> {
    const broker = this.brokers[index]!;
    const http = new BrokerHttp([this.urls[index]!]);
    const deadline = Date.now() + withinMs;
    while (!broker.end) {
      const answer = await http.call('GET', '/health/ready').catch(() => undefined);
      if (answer?.status === 200) return true;
      if (Date.now() > deadline) throw new Error(`broker ${index} was not ready in time:\n${broker.output}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    return false;
  }

  get subscriptions(): ReturnType<typeof subscriptionsOf> {
    const { check, push } = this.ports;
    return subscriptionsOf(this.options.engine, { checkUrl: this.#target(check), pushUrl: this.#target(push) });
  }

  /** Makes topics, producers and subscriptions. */
  async setUp(): Promise<void> {
    const put = async (path: string, body: unknown): Promise<{ secret?: string }> => {
      const answer = await this.http.call('PUT', path, body);
      if (answer.status !== 200) throw new Error(`PUT ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer.body as { secret?: string };
    };
    for (const [topic, settings] of Object.entries(topics)) await put(`/v1/topics/${topic}`, settings);
    for (const [name, settings] of this.subscriptions) await put(`/v1/subscriptions/${name}`, settings);
    const { shop, raw, mute } = producers;
    await put('/v1/producers/shop', shop);
    await put('/v1/producers/mute', mute);
    const checkBack = { type: 'http', url: this.#target(this.ports.check) };
    this.#checkSecret = (await put('/v1/producers/raw', { ...raw, checkBack })).secret!;
  }

  /** Starts the producer; its successors have its name, or another one, in turns. */
  startProducer(order?: Order): ChaosProcess {
    const { seed, actors = 5, pauseMs = 60 } = this.options;
    const start = (this.#producerStarts += 1);
    const producer = {
      urls: this.urls,
      database: this.shopDatabase,
      journal: this.path('producer.jsonl'),
      checkPort: this.ports.check,
      checkSecret: this.#checkSecret,
      instance: (start + seed) % 2 === 0 ? 'shop-1' : `shop-${start}`,
      seed: seed * 1_000 + start,
      actors,
      pauseMs,
    };
    this.producer = this.#startWorkload('producer', producer, order);
    return this.producer;
  }

  startConsumer(order?: Order): ChaosProcess {
    const consumer = {
      urls: this.urls,
      database: this.sinkDatabase,
      journal: this.path('consumer.jsonl'),
      pushPort: this.ports.push,
      redisUrl: this.redisUrl,
    };
    this.consumer = this.#startWorkload('consumer', consumer, order);
    return this.consumer;
  }

  /** Ends every process and deletes the databases; the folder stays. */
  async close(): Promise<void> {
    const processes = [this.producer, this.consumer, ...this.brokers];
    for (const each of processes) await each?.kill();
    await this.other.close();
    this.otherJournal.close();
    await this.#redis?.stop();
    if (this.options.store !== 'mariadb') return;
    const schemas = [this.storeUrl, this.shopDatabase, this.sinkDatabase].map((url) => new URL(url).pathname.slice(1));
    await onServer(
      this.options.servers.mysqlUrl,
      schemas.map((schema) => `DROP DATABASE IF EXISTS ${schema}`),
    );
  }

  #target(port: number): string {
    const { targetUrl = (url) => url } = this.options;
    return targetUrl(`http://127.0.0.1:${port}/`);
  }

  #startWorkload(name: 'producer' | 'consumer', options: object, order: Order | undefined): ChaosProcess {
    return ChaosProcess.start({
      name,
      script: `./workload/${name}.js`,
      args: [JSON.stringify(options)],
      environment: {},
      log: this.path(`${name}.log`),
      kills: this.path('kills.jsonl'),
      order,
    });
  }
}

export type { StoreName, SubscriptionName };
