import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpuSeconds, peakMiB, residentMiB } from '../../process-usage.js';
import { freePort } from '../../servers.js';
import { Program } from '../program.js';

/** The options of RocketMQ's own start scripts, with a heap for a machine that does other work beside it. */
const nameServerOptions = ['-server', '-Xms256m', '-Xmx512m'];
const brokerOptions = [
  '-server',
  '-Xms2g',
  '-Xmx4g',
  '-XX:+UseG1GC',
  '-XX:G1HeapRegionSize=16m',
  '-XX:G1ReservePercent=25',
  '-XX:InitiatingHeapOccupancyPercent=30',
  '-XX:SoftRefLRUPolicyMSPerMB=0',
  '-XX:MaxDirectMemorySize=4g',
];

/** A name server and a broker that flushes before it answers; everything else is as RocketMQ has it by default. */
export class RocketMqServers {
  readonly #running: Program[] = [];
  readonly #classPath: string;
  readonly #folder: string;
  readonly #nameServerPort: number;
  readonly #brokerPort: number;
  readonly #replicationPort: number;

  private constructor(classPath: string, folder: string, ports: [number, number, number]) {
    this.#classPath = classPath;
    this.#folder = folder;
    [this.#nameServerPort, this.#brokerPort, this.#replicationPort] = ports;
  }

  /** Servers that are not started yet. All that they write is below `folder`. */
  static async prepare(classPath: string, folder: string): Promise<RocketMqServers> {
    const ports = [await freePort(), await freePort(), await freePort()] as [number, number, number];
    return new RocketMqServers(classPath, folder, ports);
  }

  get nameServer(): string {
    return `127.0.0.1:${this.#nameServerPort}`;
  }

  /** The broker registers itself at its start, so it waits until the name server listens. */
  async start(): Promise<void> {
    const nameServer = this.#file('name-server.conf', { listenPort: this.#nameServerPort });
    await this.#java('name-server', nameServerOptions, 'org.apache.rocketmq.namesrv.NamesrvStartup', nameServer);
    await this.#running[0]!.listensOn(this.#nameServerPort);
    const broker = this.#file('broker.conf', {
      namesrvAddr: this.nameServer,
      brokerIP1: '127.0.0.1',
      listenPort: this.#brokerPort,
      haListenPort: this.#replicationPort,
      brokerRole: 'ASYNC_MASTER',
      flushDiskType: 'SYNC_FLUSH',
      autoCreateTopicEnable: true,
      storePathRootDir: join(this.#folder, 'store'),
      storePathCommitLog: join(this.#folder, 'store/commitlog'),
    });
    await this.#java('broker', brokerOptions, 'org.apache.rocketmq.broker.BrokerStartup', broker);
  }

  /** By name, for the CPU of each. */
  get pids(): Record<string, number | undefined> {
    const [nameServer, broker] = this.#running;
    return { 'name server': nameServer?.pid, broker: broker?.pid };
  }

  get cpuSeconds(): number {
    return sum(this.#running.map(({ pid }) => cpuSeconds(pid)));
  }

  get residentMiB(): number {
    return sum(this.#running.map(({ pid }) => residentMiB(pid)));
  }

  get peakMiB(): number {
    return sum(this.#running.map(({ pid }) => peakMiB(pid)));
  }

  async stop(): Promise<void> {
    for (const program of this.#running.splice(0).reverse()) await program.stop();
  }

  async #java(name: string, options: string[], mainClass: string, configuration: string): Promise<void> {
    const home = `-Duser.home=${this.#folder}`;
    const command = ['java', ...options, home, '-cp', this.#classPath, mainClass, '-c', configuration] as const;
    this.#running.push(await Program.start(name, [...command], this.#folder, { ROCKETMQ_HOME: this.#folder }));
  }

  #file(name: string, settings: Record<string, string | number | boolean>): string {
    const path = join(this.#folder, name);
    const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
    writeFileSync(path, lines.join(''));
    return path;
  }
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
