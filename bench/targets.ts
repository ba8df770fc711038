import type { Results } from './results.js';
import { yardstick, type Yardstick } from './yardsticks.js';

/** One line of the table of targets. */
export interface Target {
  row: string;
  /** The scenarios whose figures it is made of. */
  scenarios: string[];
  /** Undefined where one of them is not there. */
  measured: (results: Results) => number | undefined;
  /** What `measured` is divided by. Absent: it is compared as it is. */
  yardstick?: Yardstick;
  unit: '×' | 'ms' | 'MB/s' | 'MiB' | 's' | '%';
  /** Smaller is better. */
  atMost?: true;
  atLeast: number;
  aim?: number;
}

export interface Verdict {
  target: Target;
  /** In the unit of the target; undefined where it was not measured. */
  value: number | undefined;
  /** What was measured, before it was divided. */
  measured: number | undefined;
  told: string;
  reached: 'aim' | 'at least' | 'NOT reached' | 'not measured';
}

/** Messages/s of a scenario, the best where there are several, as multiples of a yardstick. */
function times(
  row: string,
  id: string | string[],
  by: Yardstick,
  [atLeast, aim]: [number, number],
  figure = 'deliveredPerSecond',
): Target {
  const scenarios = [id].flat();
  return {
    row,
    scenarios,
    measured: (results) => {
      const figures = scenarios.map((scenario) => results.figure(scenario, figure));
      return figures.includes(undefined) ? undefined : Math.max(...(figures as number[]));
    },
    yardstick: by,
    unit: '×',
    atLeast,
    aim,
  };
}

/** The delivered messages/s of one scenario over those of another. */
function ratio(row: string, id: string, other: string, [atLeast, aim]: [number, number]): Target {
  const measured = (results: Results): number | undefined => {
    const value = results.figure(id, 'deliveredPerSecond');
    const against = results.figure(other, 'deliveredPerSecond');
    return value !== undefined && against !== undefined ? value / against : undefined;
  };
  return { row, scenarios: [id, other], measured, unit: '×', atLeast, aim };
}

function below(
  row: string,
  id: string,
  figure: string,
  unit: Target['unit'],
  [atLeast, aim]: [number, number?],
  factor = 1,
): Target {
  const measured = (results: Results): number | undefined => {
    const value = results.figure(id, figure);
    return value === undefined ? undefined : value * factor;
  };
  return { row, scenarios: [id], measured, unit, atMost: true, atLeast, ...(aim !== undefined && { aim }) };
}

const topSpeed = ['client/transactions-128', 'http/pull-128', 'http/bull-128', 'client/sends-delivered-128'];

const atTopSpeed: Target = {
  row: `broker memory at top speed (the most of ${topSpeed.join(', ')})`,
  scenarios: topSpeed,
  measured: (results) => {
    const peaks = topSpeed.map((id) => results.figure(id, 'peakMiB.broker'));
    return peaks.includes(undefined) ? undefined : Math.max(...(peaks as number[]));
  },
  unit: 'MiB',
  atMost: true,
  atLeast: 350,
};

const better = 'the better of none and one HTTP worker';
const withWorker = (id: string): string[] => [id, `${id}-worker`];

/** What the benchmark is to show, in the order of the table. */
export const targets: readonly Target[] = [
  times('`halfbox/client`, 128 in flight → NestJS handler, batched pull', 'client/transactions-128', 'rmq', [2, 3]),
  times(`single-message HTTP → batched pull, ${better}`, withWorker('http/pull-128'), 'rmq', [1.2, 1.8]),
  times('single-message HTTP → Bull, a job a message', 'http/bull-128', 'rmq', [0.75, 1]),
  times(
    `single-message HTTP → Bull, several messages a job, ${better}`,
    withWorker('http/bull-128-jobs-of-64'),
    'rmq',
    [1.2, 1.6],
  ),
  times('embedded in process, handler in process, MariaDB', 'embedded/mysql-128', 'rmq', [2.5, 4]),
  times('plain send through the client, stored', 'client/sends-stored-128', 'rmqPlain', [3, 6], 'storedPerSecond'),
  times('plain send through the client, delivered', 'client/sends-delivered-128', 'rmqPlain', [2, 4]),
  times(`SQLite and memory, single-message HTTP, ${better}`, withWorker('http/sqlite-pull-128'), 'rmq', [1.2, 2]),
  times('SQLite, embedded in process', 'embedded/sqlite-128', 'rmq', [3, 6]),
  times('single-message HTTP against DTM on MySQL', withWorker('http/pull-128'), 'dtmMysql', [8, 15]),
  times('single-message HTTP against a naive outbox', withWorker('http/pull-128'), 'naiveOutbox', [12, 25]),
  below('commit to handler at 200/s, p50', 'light-load', 'commitToReceiptMs.p50', 'ms', [5, 2]),
  below('commit to handler at 200/s, p99', 'light-load', 'commitToReceiptMs.p99', 'ms', [19, 8]),
  below('prepare answered at 200/s, p50', 'light-load', 'prepareMs.p50', 'ms', [3, 1.5]),
  below('prepare answered at 200/s, p99', 'light-load', 'prepareMs.p99', 'ms', [10, 5]),
  below('commit answered at 200/s, p50', 'light-load', 'commitMs.p50', 'ms', [3, 1.5]),
  below('commit answered at 200/s, p99', 'light-load', 'commitMs.p99', 'ms', [10, 5]),
  {
    row: 'bodies of 16 KiB, stored',
    scenarios: ['bodies/16KiB-stored'],
    measured: (results) => results.figure('bodies/16KiB-stored', 'storedMBPerSecond'),
    unit: 'MB/s',
    atLeast: 40,
    aim: 80,
  },
  {
    row: 'delivery with 10 million waiting, against 10 thousand',
    scenarios: ['backlog/10-million'],
    measured: (results) => results.figure('backlog/10-million', 'own.× that of 10,000'),
    unit: '×',
    atLeast: 0.9,
    aim: 1,
  },
  ratio(
    'throughput beside 100 idle subscriptions, against none',
    'subscriptions/idle-100',
    'http/pull-128',
    [0.8, 0.95],
  ),
  ratio('throughput of one busy topic of 1,000, against 1', 'topics/1000-one-busy', 'http/pull-128', [0.8, 0.95]),
  ratio('throughput spread over 1,000 topics, against 1', 'topics/1000-all-busy', 'http/pull-128', [0.8, 0.95]),
  below('broker memory, idle', 'idle/start', 'own.broker MiB', 'MiB', [120]),
  atTopSpeed,
  below('broker memory with 10 million waiting', 'backlog/10-million', 'peakMiB.broker', 'MiB', [350]),
  below('start to ready', 'idle/start', 'own.seconds to ready', 's', [2, 0.7]),
  below('CPU of an idle broker with 100 subscriptions', 'idle/subscriptions-100', 'cpu.broker', '%', [3, 1], 100),
  ratio('two brokers on one database, against one', 'brokers/two', 'http/pull-128', [1, 1.5]),
];

/** Every scenario that some target is made of. */
export const targetScenarios: ReadonlySet<string> = new Set(targets.flatMap(({ scenarios }) => scenarios));

export function verdict(target: Target, results: Results): Verdict {
  const measured = target.measured(results);
  const by = target.yardstick && yardstick(results, target.yardstick);
  const value = target.yardstick ? (measured !== undefined && by ? measured / by.value : undefined) : measured;
  return { target, value, measured, told: by?.told ?? '', reached: reached(target, value) };
}

function reached({ atMost, atLeast, aim }: Target, value: number | undefined): Verdict['reached'] {
  if (value === undefined) return 'not measured';
  const meets = (wanted: number) => (atMost ? value <= wanted : value >= wanted);
  if (aim !== undefined && meets(aim)) return 'aim';
  return meets(atLeast) ? 'at least' : 'NOT reached';
}
