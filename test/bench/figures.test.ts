import { allFigures, figureAt, medianFigures, type Figures } from '../../bench/figures.js';
import { Histogram } from '../../bench/histogram.js';
import { comparison, targetTable } from '../../bench/report.js';
import { summed, used } from '../../bench/measure.js';
import { Results, type Row } from '../../bench/results.js';
import type { Usage } from '../../bench/rig.js';
import { targets, verdict } from '../../bench/targets.js';
import { allScenarios } from '../../bench/all-scenarios.js';

function resultsWith(rows: Record<string, Figures>, bareRoute: number[] = []): Results {
  const results = new Results({}, {}, 'not-written.json');
  for (const [id, figures] of Object.entries(rows)) {
    results.rows.push({ id, title: id, figures, runs: [figures], failures: [], bareRoute } satisfies Row);
  }
  return results;
}

const targetOf = (row: string) => targets.find((target) => target.row === row)!;

describe('times', () => {
  test('percentiles are exact to 1 %, the maximum exactly', () => {
    const times = new Histogram();
    for (let ms = 1; ms <= 1_000; ms += 1) times.add(ms);
    const { p50, p99, max } = times.percentiles()!;
    expect(Math.abs(p50 - 500) / 500).toBeLessThan(0.012);
    expect(Math.abs(p99 - 990) / 990).toBeLessThan(0.012);
    expect(max).toBe(1_000);
  });

  test('those of several processes are merged', () => {
    const fast = new Histogram();
    const slow = new Histogram();
    for (let count = 0; count < 60; count += 1) fast.add(1);
    for (let count = 0; count < 40; count += 1) slow.add(100);
    const both = new Histogram();
    both.merge(JSON.parse(JSON.stringify(fast)) as ReturnType<Histogram['toJSON']>);
    both.merge(JSON.parse(JSON.stringify(slow)) as ReturnType<Histogram['toJSON']>);
    const { p50, p99, max } = both.percentiles()!;
    expect(both.total).toBe(100);
    expect(p50).toBeCloseTo(1, 1);
    expect(Math.abs(p99 - 100)).toBeLessThan(1.2);
    expect(max).toBe(100);
    expect(new Histogram().percentiles()).toBeUndefined();
  });
});

describe('figures', () => {
  test('medians go figure by figure, over the runs that have it', () => {
    const runs: Figures[] = [
      { deliveredPerSecond: 10, endToEndMs: { p50: 1, p99: 2, max: 3 } },
      { deliveredPerSecond: 30, endToEndMs: { p50: 3, p99: 4, max: 9 } },
      { deliveredPerSecond: 20, own: { extra: 7 } },
    ];
    expect(medianFigures(runs)).toMatchObject({
      deliveredPerSecond: 20,
      endToEndMs: { p50: 2, p99: 3, max: 6 },
      own: { extra: 7 },
    });
  });

  test('what was used in several intervals is the difference of the sums', () => {
    const at = (cpu: number, statements: number): Usage => ({
      cpuSeconds: { broker: cpu },
      writtenBytes: {},
      database: { statements, commits: statements / 2, redoBytes: 0 },
    });
    // Two intervals, of 1 s and 2 s; what is used between them does not count.
    const figures = used(summed([at(10, 100), at(20, 500)]), summed([at(11, 110), at(22, 530)]), 6, 10);
    expect(figures.cpu).toEqual({ broker: 0.5 });
    expect(figures.cpuMicrosPerMessage!['broker']).toBeCloseTo(300_000);
    expect(figures.database).toMatchObject({ statementsPerMessage: 4, commitsPerMessage: 2 });
    expect(summed([{ cpuSeconds: {}, writtenBytes: {}, database: undefined }]).database).toBeUndefined();
  });

  test('one is found by its path, and all are listed', () => {
    const figures: Figures = { deliveredPerSecond: 5, own: { 'broker MiB': 90 } };
    expect(figureAt(figures, 'own.broker MiB')).toBe(90);
    expect(figureAt(figures, 'endToEndMs.p50')).toBeUndefined();
    expect(figureAt({ storedPerSecond: Number.NaN }, 'storedPerSecond')).toBeUndefined();
    expect(allFigures(figures)).toEqual([
      ['deliveredPerSecond', 5],
      ['own.broker MiB', 90],
    ]);
  });
});

describe('targets', () => {
  const pull = 'single-message HTTP → batched pull, the better of none and one HTTP worker';

  test('each names scenarios that exist', () => {
    const ids = new Set(allScenarios.map(({ id }) => id));
    expect(ids.size).toBe(allScenarios.length);
    expect(targets.flatMap(({ scenarios }) => scenarios).filter((id) => !ids.has(id))).toEqual([]);
  });

  // 0.175 of the bare route is 3,500: at least 1.2 times that is 4,200, the aim 1.8 times is 6,300.
  test.each([
    [4_199, 'NOT reached'],
    [4_201, 'at least'],
    [6_299, 'at least'],
    [6_301, 'aim'],
  ])('%d/s against a bare route of 20,000/s: %s', (deliveredPerSecond, reached) => {
    const others = { 'http/pull-128': { deliveredPerSecond: 100 } };
    const results = resultsWith({ ...others, 'http/pull-128-worker': { deliveredPerSecond } }, [19_000, 21_000]);
    expect(verdict(targetOf(pull), results).reached).toBe(reached);
  });

  test('a peer that was measured in the same run is the yardstick', () => {
    const workers = { 'http/pull-128-worker': { deliveredPerSecond: 5_000 } };
    const results = resultsWith({ 'http/pull-128': { deliveredPerSecond: 6_000 }, ...workers }, [20_000]);
    results.peers.push({ name: 'rocketmq', figures: { transactionalPerSecond: 4_000 } });
    const { value, told } = verdict(targetOf(pull), results);
    expect(value).toBe(1.5);
    expect(told).toContain('4000/s in this run');
  });

  test('what was not measured is not reached, and says so', () => {
    const results = resultsWith({});
    const verdicts = targets.map((target) => verdict(target, results).reached);
    expect(new Set(verdicts)).toEqual(new Set(['not measured']));
    expect(targetTable(results).match(/not measured/g)).toHaveLength(targets.length);
  });

  test('ten million that wait are held against ten thousand of the same run', () => {
    const figures: Figures = {
      deliveredPerSecond: 100,
      own: { 'delivered/s of 10,000': 90, '× that of 10,000': 0.95 },
    };
    const row = targetOf('delivery with 10 million waiting, against 10 thousand');
    expect(verdict(row, resultsWith({ 'backlog/10-million': figures }))).toMatchObject({
      value: 0.95,
      reached: 'at least',
    });
  });

  test('less is better for times and memory', () => {
    const at = (broker: number) => verdict(targetOf('broker memory, idle'), resultsWith({ 'idle/start': own(broker) }));
    const own = (broker: number): Figures => ({ own: { 'broker MiB': broker } });
    expect(at(119).reached).toBe('at least');
    expect(at(121).reached).toBe('NOT reached');
  });
});

test('a comparison has the ratio of every figure that both runs have', () => {
  const now = resultsWith({ 'http/pull-128': { deliveredPerSecond: 300, errors: 0 }, other: { errors: 1 } });
  const old = resultsWith({ 'http/pull-128': { deliveredPerSecond: 200, commitMs: { p50: 1, p99: 1, max: 1 } } });
  const lines = comparison(now, old).split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[2]).toContain('| http/pull-128 | deliveredPerSecond | 200.0 | 300.0 | 1.50 |');
});
