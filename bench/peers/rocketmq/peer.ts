import { readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Peer, PeerFigures } from '../../peer.js';
import type { Window } from '../../scenario.js';
import { deliveredPerSecond, measureLoad, notesOn, type MeasuredLoad } from '../load.js';
import { builtFolder, notInstalled, Program, runToEnd, sourcesOf, withTemporaryFolder } from '../program.js';
import { RocketMqServers } from './servers.js';

const few = '32 threads';
const many = '128 threads';
const lightRatePerSecond = 200;
const idleSettleMs = 10_000;
const idleMs = 10_000;
/** So that the JVM's compilers have done their work before anything is measured. */
const jvmWarmUp: Window = { warmUpSeconds: 5, seconds: 5 };

/** RocketMQ with a flush before each answer, loaded through its own Java client. */
export const rocketMq: Peer = {
  name: 'rocketmq',
  missing: () => notInstalled(['java', 'javac', 'mvn']),
  run: (window) =>
    withTemporaryFolder(async (folder) => {
      const classPath = await build();
      const servers = await RocketMqServers.prepare(classPath, folder);
      const java = ['java', '-Xms512m', '-Xmx1g', `-Duser.home=${folder}`, '-cp', classPath] as const;
      const load = await Program.start('load', [...java, 'Load', servers.nameServer], folder);
      try {
        return await measure(servers, load, window);
      } finally {
        await load.stop();
        await servers.stop();
      }
    }),
};

/** Has Maven fetch RocketMQ, compiles the load program, and answers the class path of all. */
async function build(): Promise<string> {
  const sources = sourcesOf('rocketmq');
  const built = builtFolder('rocketmq');
  const listed = join(built, 'class-path');
  await runToEnd('mvn', ['-q', '-B', 'dependency:build-classpath', `-Dmdep.outputFile=${listed}`], sources);
  const libraries = readFileSync(listed, 'utf8').trim();
  const classes = join(built, 'classes');
  const files = readdirSync(join(sources, 'src')).map((file) => join('src', file));
  await runToEnd('javac', ['-d', classes, '-cp', libraries, ...files], sources);
  return [classes, libraries].join(delimiter);
}

async function measure(servers: RocketMqServers, load: Program, window: Window): Promise<PeerFigures> {
  const startToReadySeconds = await firstMessageSeconds(servers, load);
  const idle = await idleFigures(servers);
  const run = (kind: string, size: number, { warmUpSeconds, seconds }: Window) => {
    load.tell(`${kind} ${size} ${warmUpSeconds} ${seconds}`);
    return measureLoad(load, servers.pids, { warmUpSeconds, seconds });
  };
  await run('transactional', 64, jvmWarmUp);
  const paced = await run('paced', lightRatePerSecond, window);
  const transactional: Runs = { [few]: await run('transactional', 32, window) };
  const plain: Runs = { [few]: await run('plain', 32, window), [many]: await run('plain', 128, window) };
  // The last one, since it leaves the broker work for the time after it.
  transactional[many] = await run('transactional', 128, window);
  const best = highest(transactional, delivered);
  return {
    transactionalPerSecond: deliveredPerSecond(best),
    transactionalBy: rates(transactional, delivered),
    plainStoredPerSecond: stored(highest(plain, stored)),
    plainStoredBy: rates(plain, stored),
    plainDeliveredPerSecond: delivered(highest(plain, delivered)),
    endToEndMs: best.endToEndMs,
    commitToReceiptMs: paced.commitToReceiptMs,
    ...idle,
    brokerPeakMiB: servers.peakMiB,
    startToReadySeconds,
    cpuMicrosPerMessage: best.cpuMicrosPerMessage,
    version: 'RocketMQ 5.4.0, name server and broker, Java client',
    durability: 'SYNC_FLUSH, one broker',
    notes: [
      ...notesOn(`transactions at ${lightRatePerSecond}/s`, paced),
      ...Object.entries(plain).flatMap(([threads, figures]) => notesOn(`plain sends, ${threads}`, figures)),
      ...Object.entries(transactional).flatMap(([threads, figures]) => notesOn(`transactions, ${threads}`, figures)),
    ],
  };
}

/** Starts the servers under a client that is already trying. */
async function firstMessageSeconds(servers: RocketMqServers, load: Program): Promise<number> {
  load.tell('first');
  await load.event('ready');
  const startedAt = performance.now();
  await servers.start();
  await load.event('first');
  return (performance.now() - startedAt) / 1000;
}

/** With no client connected. */
async function idleFigures(servers: RocketMqServers): Promise<PeerFigures> {
  await delay(idleSettleMs);
  const cpuBefore = servers.cpuSeconds;
  const startedAt = performance.now();
  await delay(idleMs);
  const seconds = (performance.now() - startedAt) / 1000;
  return { idleCpuShare: (servers.cpuSeconds - cpuBefore) / seconds, brokerIdleMiB: servers.residentMiB };
}

/** By the number of threads, in words. */
type Runs = Record<string, MeasuredLoad>;

const delivered = (figures: MeasuredLoad) => figures.delivered / figures.seconds;
const stored = (figures: MeasuredLoad) => figures.stored / figures.seconds;

function highest(runs: Runs, rate: (figures: MeasuredLoad) => number): MeasuredLoad {
  return Object.values(runs).reduce((best, figures) => (rate(figures) > rate(best) ? figures : best));
}

function rates(runs: Runs, rate: (figures: MeasuredLoad) => number): Record<string, number> {
  return Object.fromEntries(Object.entries(runs).map(([threads, figures]) => [threads, rate(figures)]));
}
