import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker, Worker, type Broker } from './children.js';
import { databaseCounters, databasePid, freshDatabase, type DatabaseCounters } from './database.js';
import { childPids, cpuSeconds, forgetPeak, peakMiB, writtenBytes } from './process-usage.js';
import { emptyRedis, redisPid } from './redis.js';
import type { Servers } from './scenario.js';

export interface RigOptions {
  store: 'mysql' | 'sqlite';
  /** Brokers have Redis. */
  redis?: boolean;
  /** Broker processes on the store. Default 1; 0 where a worker embeds one. */
  brokers?: number;
  /** Further settings of the brokers. */
  environment?: Record<string, string>;
}

/** What processes have used so far, by their names. */
export interface Usage {
  cpuSeconds: Record<string, number>;
  writtenBytes: Record<string, number>;
  database: DatabaseCounters | undefined;
}

/** Brokers on a store of their own, and the processes that work with them: all of it ends with the scenario. */
export class Rig {
  readonly brokers: Broker[] = [];
  readonly #workers: [name: string, worker: Worker][] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'halfbox-bench-'));
  #database: { url: string; drop(): Promise<void> } | undefined;
  #serverPids: [name: string, pid: number | undefined][] = [];

  private constructor(
    readonly servers: Servers,
    private readonly options: RigOptions,
  ) {}

  /** Starts it for `use`, and stops and deletes everything afterwards. */
  static async use<Result>(servers: Servers, options: RigOptions, use: (rig: Rig) => Promise<Result>): Promise<Result> {
    const rig = new Rig(servers, options);
    try {
      await rig.#start();
      return await use(rig);
    } finally {
      await rig.#stop();
    }
  }

  /** Of the first broker. */
  get url(): string {
    return this.brokers[0]!.url;
  }

  get urls(): string[] {
    return this.brokers.map(({ url }) => url);
  }

  get storeUrl(): string {
    return this.#database?.url ?? `sqlite:${join(this.#folder, 'halfbox.db')}`;
  }

  /** One more broker on the store. */
  async startBroker(): Promise<Broker> {
    const broker = await startBroker({
      HALFBOX_STORE_URL: this.storeUrl,
      ...(this.options.redis && { HALFBOX_REDIS_URL: this.servers.redisUrl }),
      ...this.options.environment,
    });
    this.brokers.push(broker);
    return broker;
  }

  async stopBrokers(): Promise<void> {
    await Promise.all(this.brokers.splice(0).map((broker) => broker.stop()));
  }

  /** Starts a script of `bench/processes`. @param name by which its figures are told */
  worker(name: string, script: string, options: unknown): Worker {
    const worker = new Worker(script, options);
    this.#workers.push([name, worker]);
    return worker;
  }

  /** A call of the first broker's API. Rejects unless it was answered 2xx. */
  async call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const text = await this.text(method, path, body);
    return (text === '' ? undefined : JSON.parse(text)) as Answer;
  }

  /** The same, with the answer as it came. */
  async text(method: string, path: string, body?: unknown): Promise<string> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text;
  }

  async topic(name = 'bench'): Promise<void> {
    await this.call('PUT', `/v1/topics/${name}`, { shards: 4 });
  }

  async subscription(group: string, settings: object, topic = 'bench'): Promise<void> {
    await this.call('PUT', `/v1/subscriptions/${topic}/${group}`, settings);
  }

  usage(): Promise<Usage> {
    const pids = this.#pids();
    const byName = (read: (pid: number | undefined) => number) => {
      const sums: Record<string, number> = {};
      for (const [name, pid] of pids) {
        const value = read(pid);
        if (!Number.isNaN(value)) sums[name] = (sums[name] ?? 0) + value;
      }
      return sums;
    };
    const own = { cpuSeconds: byName(cpuSeconds), writtenBytes: byName(writtenBytes) };
    return this.#database
      ? databaseCounters(this.servers.mysqlUrl).then((database) => ({ ...own, database }))
      : Promise.resolve({ ...own, database: undefined });
  }

  /** Largest resident memory of each process; of the servers since {@link forgetServerPeaks}. */
  peaks(): Record<string, number> {
    const peaks: Record<string, number> = {};
    for (const [name, pid] of this.#pids()) {
      const peak = peakMiB(pid);
      // Several of one name are looked at one by one.
      if (!Number.isNaN(peak)) peaks[name] = Math.max(peaks[name] ?? 0, peak);
    }
    return peaks;
  }

  forgetServerPeaks(): void {
    for (const [, pid] of this.#serverPids) forgetPeak(pid);
  }

  #pids(): [name: string, pid: number | undefined][] {
    return [
      ...this.brokers.flatMap(({ pid }): [string, number][] => [
        ['broker', pid],
        ...childPids(pid).map((child): [string, number] => ['HTTP workers', child]),
      ]),
      ...this.#serverPids,
      ...this.#workers.map(([name, worker]): [string, number | undefined] => [name, worker.pid]),
    ];
  }

  async #start(): Promise<void> {
    const { mysqlUrl, redisUrl } = this.servers;
    if (this.options.store === 'mysql') {
      this.#database = await freshDatabase(mysqlUrl);
      this.#serverPids.push(['database', await databasePid(mysqlUrl)]);
    }
    if (this.options.redis) {
      await emptyRedis(redisUrl);
      this.#serverPids.push(['redis', await redisPid(redisUrl)]);
    }
    for (let broker = 0; broker < (this.options.brokers ?? 1); broker += 1) await this.startBroker();
  }

  /** Loads first: what they leave open would otherwise be waited for. */
  async #stop(): Promise<void> {
    await Promise.all(this.#workers.map(([, worker]) => worker.stop()));
    await this.stopBrokers();
    await this.#database?.drop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
