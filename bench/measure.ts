import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from './children.js';
import type { DatabaseCounters } from './database.js';
import type { Figures } from './figures.js';
import { Histogram, type HistogramParts } from './histogram.js';
import type { Rig, Usage } from './rig.js';
import type { Window } from './scenario.js';

/** What a worker has counted since its start. A load counts the first two, a consumer the others, an embedded broker all. */
export interface Counts {
  committed?: number;
  errors?: number;
  /** The first error, in words. */
  firstError?: string;
  delivered?: number;
  duplicates?: number;
}

/** Of the window between `begin` and `end`. */
export interface Recorded extends Counts {
  prepareMs?: HistogramParts;
  commitMs?: HistogramParts;
  endToEndMs?: HistogramParts;
  gathered?: number;
}

export interface Parties {
  /** Answer `begin`, `end` and `halt`. */
  loads: Worker[];
  /** Answer `begin`, `end` and `count`. Absent: nobody consumes, and only the storing is measured. */
  consumers?: Worker[];
  /** Deliveries of one message: the subscriptions of its topic that are consumed. Default 1. */
  fanOut?: number;
  bodyBytes?: number;
  /** The load waits while more than so many are committed and not delivered. For loads of `startCallers`. */
  waitingMax?: number;
  /** Asked between the window and the end of the load. */
  more?: () => Promise<Partial<Figures>>;
  /** Asked when everything has been delivered. */
  later?: () => Promise<Partial<Figures>>;
}

const drainMsMax = 60_000;
/** A load of which more fails has measured something else. */
const errorShareMax = 0.01;

/** Warms up, measures the window, ends the load, and waits until everything that was committed has been delivered. */
export async function measure(rig: Rig, parties: Parties, window: Window): Promise<Figures> {
  const { loads, consumers = [], fanOut = 1 } = parties;
  const all = [...new Set([...loads, ...consumers])];
  const ask = async (workers: Worker[], name: string) =>
    Promise.all(workers.map((worker) => worker.call<Recorded>(name)));
  await ask(all, 'count');
  const held = parties.waitingMax === undefined ? undefined : holdBack(parties, parties.waitingMax);
  await delay(window.warmUpSeconds * 1000);
  rig.forgetServerPeaks();
  const before = await rig.usage();
  const startedAt = performance.now();
  const begun = total(await ask(all, 'begin'));
  await delay(window.seconds * 1000);
  const recorded = await ask(all, 'end');
  const seconds = (performance.now() - startedAt) / 1000;
  const after = await rig.usage();
  const ended = total(recorded);
  const more = await parties.more?.();
  const peakMiB = rig.peaks();
  await held?.stop();
  const halted = total(await ask(loads, 'halt'));
  if (consumers.length > 0) await drain(consumers, halted.committed * fanOut);
  if (halted.errors > halted.committed * errorShareMax) {
    throw new Error(`${halted.errors} calls failed and ${halted.committed} did not, the first: ${halted.firstError}`);
  }
  const later = await parties.later?.();
  const stored = ended.committed - begun.committed;
  const delivered = ended.delivered - begun.delivered;
  if ((consumers.length > 0 ? delivered : stored) === 0) throw new Error('no message came through within the window');
  return {
    ...(consumers.length > 0 && {
      deliveredPerSecond: delivered / seconds,
      backlogAtEnd: Math.max(0, ended.committed * fanOut - ended.delivered),
      duplicates: ended.duplicates,
    }),
    storedPerSecond: stored / seconds,
    ...(parties.bodyBytes && { storedMBPerSecond: (stored * parties.bodyBytes) / seconds / 1e6 }),
    ...timesOf(recorded),
    ...used(before, after, seconds, consumers.length > 0 ? delivered : stored),
    peakMiB,
    errors: halted.errors,
    ...more,
    ...later,
  };
}

/** Keeps the loads from running away from the consumers, looking about every 20 ms. */
function holdBack({ loads, consumers = [], fanOut = 1 }: Parties, waitingMax: number): { stop(): Promise<void> } {
  let stopped = false;
  const run = async (): Promise<void> => {
    let paused = false;
    while (!stopped) {
      const counts = await Promise.all([...loads, ...consumers].map((worker) => worker.call<Counts>('count')));
      const { committed, delivered } = total(counts);
      const wanted = committed * fanOut - delivered > waitingMax;
      if (wanted !== paused) {
        await Promise.all(loads.map((load) => load.call(wanted ? 'pause' : 'resume')));
        paused = wanted;
      }
      await delay(20);
    }
  };
  const running = run();
  // What goes wrong is thrown where it is waited for.
  running.catch(() => undefined);
  return {
    stop: () => {
      stopped = true;
      return running;
    },
  };
}

/** What processes used between two looks, in all and for each of so many messages. */
export function used(before: Usage, after: Usage, seconds: number, messages: number): Figures {
  const difference = (kind: 'cpuSeconds' | 'writtenBytes', divisor: number) =>
    Object.fromEntries(
      Object.entries(after[kind]).flatMap(([name, value]) => {
        const change = value - (before[kind][name] ?? 0);
        return change > 0 ? [[name, change / divisor]] : [];
      }),
    );
  const { database: first } = before;
  const { database: last } = after;
  return {
    cpu: difference('cpuSeconds', seconds),
    cpuMicrosPerMessage: difference('cpuSeconds', messages / 1e6),
    writtenBytesPerMessage: difference('writtenBytes', messages),
    ...(first &&
      last && {
        database: {
          statementsPerMessage: (last.statements - first.statements) / messages,
          commitsPerMessage: (last.commits - first.commits) / messages,
          redoBytesPerMessage: (last.redoBytes - first.redoBytes) / messages,
        },
      }),
  };
}

/** What several looks saw, added up: the difference of two sums is what was used in all of their intervals. */
export function summed(usages: Usage[]): Usage {
  const sum = (parts: Record<string, number>[]): Record<string, number> => {
    const all: Record<string, number> = {};
    for (const part of parts) for (const name in part) all[name] = (all[name] ?? 0) + part[name]!;
    return all;
  };
  const databases = usages.flatMap(({ database }) => (database ? [{ ...database }] : []));
  return {
    cpuSeconds: sum(usages.map(({ cpuSeconds }) => cpuSeconds)),
    writtenBytes: sum(usages.map(({ writtenBytes }) => writtenBytes)),
    database: databases.length > 0 ? (sum(databases) as unknown as DatabaseCounters) : undefined,
  };
}

/** Waits until so many deliveries have been counted. Rejects when they do not come. */
export async function drain(consumers: Worker[], wanted: number, waitMsMax = drainMsMax): Promise<void> {
  const deadline = Date.now() + waitMsMax;
  for (;;) {
    const counts = await Promise.all(consumers.map((consumer) => consumer.call<Counts>('count')));
    const { delivered } = total(counts);
    if (delivered >= wanted) return;
    if (Date.now() > deadline) {
      throw new Error(`${wanted - delivered} of ${wanted} were not delivered within ${waitMsMax} ms of the load's end`);
    }
    await delay(50);
  }
}

function timesOf(recorded: Recorded[]): Figures {
  const merged = (name: 'prepareMs' | 'commitMs' | 'endToEndMs') => {
    const all = new Histogram();
    for (const { [name]: parts } of recorded) if (parts) all.merge(parts);
    const percentiles = all.percentiles();
    return percentiles && { [name]: percentiles };
  };
  const gathered = recorded.find((each) => each.gathered !== undefined)?.gathered;
  return {
    ...merged('prepareMs'),
    ...merged('commitMs'),
    ...merged('endToEndMs'),
    ...(gathered !== undefined && { gathered }),
  };
}

function total(counts: Counts[]): Required<Counts> {
  const sum = (name: 'committed' | 'errors' | 'delivered' | 'duplicates') =>
    counts.reduce((all, each) => all + (each[name] ?? 0), 0);
  return {
    committed: sum('committed'),
    errors: sum('errors'),
    delivered: sum('delivered'),
    duplicates: sum('duplicates'),
    firstError: counts.find(({ firstError }) => firstError !== undefined)?.firstError ?? '(not told)',
  };
}
