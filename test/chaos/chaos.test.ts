import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applies, planOf } from './plan.js';
import { table, type Row } from './report.js';
import { readResults, type Result } from './results.js';
import { allRows } from './rows.js';
import { steps, type Step } from '../../src/message/step.js';

const main = join(__dirname, '../../dist/test/chaos/main.js');
const allSteps = Object.keys(steps) as Step[];

/** Half of the steps on each: what only MariaDB or Bull has there, and the others in turns. */
const onMariadb = allSteps.filter((step, index) => !applies(step, 'sqlite', 'memory') || index % 2 === 0);
const onSqlite = allSteps.filter((step) => !onMariadb.includes(step));
const places = [
  { store: 'mariadb', engine: 'bull', wanted: onMariadb },
  { store: 'sqlite', engine: 'memory', wanted: onSqlite },
] as const;

describe('brokers and clients that are killed at each of their steps', () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'halfbox-chaos-test-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs the command as a person does; answers what it printed when it failed. */
  async function chaos(args: string[]): Promise<string | undefined> {
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()));
    const [code] = (await once(child, 'exit')) as [number | null];
    return code === 0 ? undefined : output;
  }

  test.each(places)(
    'lose nothing on $store with $engine',
    async ({ store, engine, wanted }) => {
      const file = join(folder, `${store}.jsonl`);
      const place = ['--stores', store, '--engines', engine, '--steps', wanted.join()];
      expect(await chaos([...place, '--seeds', '1', '--results', file])).toBeUndefined();
      const results = readResults(file);
      expect(results.map(({ step }) => step).sort()).toEqual([...wanted].sort());
      expect(results.flatMap(({ findings }) => Object.keys(findings))).toEqual([]);
    },
    900_000,
  );

  test('each of them is killed at least once in all', () => {
    expect([...onMariadb, ...onSqlite].sort()).toEqual([...allSteps].sort());
  });
});

describe('the plan of a chain', () => {
  test('has every step that applies once, and is the same for the same seed', () => {
    const plan = planOf('sqlite', 'memory', 7, allSteps);
    expect(plan).toEqual(planOf('sqlite', 'memory', 7, allSteps));
    expect(plan).not.toEqual(planOf('sqlite', 'memory', 8, allSteps));
    const applying = allSteps.filter((step) => applies(step, 'sqlite', 'memory'));
    expect(plan.map(({ step }) => step).sort()).toEqual([...applying].sort());
    expect(plan[0]!.step).toBe('migrate.mid');
  });
});

describe('the table', () => {
  const result = (more: Partial<Result>): Result => ({
    step: 'check.claimed',
    store: 'sqlite',
    engine: 'memory',
    seed: 1,
    commit: 'abc',
    date: '2026-01-02T03:04:05.678Z',
    findings: {},
    duplicates: {},
    ...more,
  });

  const allPlaces = ['sqlite', 'mariadb'].flatMap((store) =>
    ['memory', 'bull'].map((engine) => ({ store, engine })),
  ) as Row['places'];
  const linesOf = (results: Result[], rows: Row[]): string[] => table(results, rows).split('\n').slice(2);

  test('counts runs and breaches of each row, and says where there are too few', () => {
    const few = [
      result({ recoveryMs: 1_500, findings: { lost: 2, dropped: 1, order: 1 } }),
      result({ recoveryMs: 700 }),
    ];
    const many = Array.from({ length: 20 }, () => result({ step: 'relay.read', duplicates: { 'broker-0 killed': 1 } }));
    const places = [{ store: 'sqlite', engine: 'memory' }] as const;
    const rows = ['check.claimed', 'relay.read', 'migrate.mid'].map((name) => ({ name, places }));
    const [check, read, never, all] = linesOf([...few, ...many], rows);
    expect(check).toBe(
      '| `check.claimed` | 2 (below 20: sqlite/memory 2) | 3 | 0 | 0 | 1 | 0 | 0 | 0 | 0 | 1.5 s | abc, 2026-01-02 |',
    );
    expect(read).toBe('| `relay.read` | 20 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 20 (broker-0 killed) |  | abc, 2026-01-02 |');
    expect(never).toBe('| `migrate.mid` | 0 (not run) | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 |  |  |');
    expect(all).toContain('| **all** | 22 |');
  });

  test('says too few also of a place without any run', () => {
    const many = Array.from({ length: 20 }, () => result({}));
    const [row] = linesOf(many, [{ name: 'check.claimed', places: allPlaces, note: 'times as shipped' }]);
    expect(row).toContain(
      '| `check.claimed` (times as shipped) | 20 (below 20: sqlite/bull 0, mariadb/memory 0, mariadb/bull 0) |',
    );
  });

  test('names the commits of several runs, the last one first, and rows that nobody asked for', () => {
    const runs = [
      result({ commit: 'new', date: '2026-01-05T00:00:00.000Z' }),
      result({ commit: 'old', date: '2026-01-02T00:00:00.000Z' }),
      result({ commit: 'new', date: '2026-01-04T00:00:00.000Z' }),
    ];
    expect(linesOf(runs, [])[0]).toMatch(/ new, 2026-01-05 \(2\); old, 2026-01-02 \(1\) \|$/);
    const older = ['01', '02', '03'].map((day) => result({ commit: day, date: `2025-12-${day}T00:00:00.000Z` }));
    expect(linesOf([...older, ...runs], [])[0]).toMatch(/; 03, 2025-12-03 \(1\); 2 before \|$/);
  });

  test('has a row for each step and fault, with the places where it exists', () => {
    const placesOf = (name: string): string[] =>
      allRows.find((row) => row.name === name)!.places.map(({ store, engine }) => `${store}/${engine}`);
    expect(allRows.map(({ name }) => name)).toEqual(expect.arrayContaining([...allSteps, 'redis.flushall']));
    expect(placesOf('queue.enqueued')).toEqual(['sqlite/bull', 'mariadb/bull']);
    expect(placesOf('store.commit.on-the-wire')).toEqual(['mariadb/memory', 'mariadb/bull']);
    expect(allRows.find(({ name }) => name === 'clock.10-minutes-ahead')!.note).toBe('times as shipped');
  });
});
