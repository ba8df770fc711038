import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { mutations } from './mutations.js';
import { simulate } from './simulation.js';

/**
 * The command of the simulation. `--seed S` runs one seed and prints its trace; `--seeds N` runs N, from `--from F` on
 * (default 1); `--minutes M` runs for so long; `--jobs J` shares that among J processes; `--mutations` shows in how many seeds each defect is found that is put in
 * on purpose. It fails where an invariant was broken.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    jobs: { type: 'string', default: '1' },
    mutations: { type: 'boolean', default: false },
  },
});

const progressMs = 10_000;
/** Seeds until a defect counts as not found. */
const mutationSeedsMax = 200;

if (values.mutations) await findMutations();
else if (values.seed !== undefined && values.seeds === undefined) await replay(Number(values.seed));
else if (Number(values.jobs) > 1) await share(Number(values.jobs));
else await search(Number(values.from), Number(values.seeds ?? (values.minutes === undefined ? 1_000 : Infinity)));

async function replay(seed: number): Promise<void> {
  const { violations, digest, events, elapsedMs } = await simulate({ seed, onTrace: (line) => console.log(line) });
  console.log(`seed ${seed}: ${events} events, ${Math.round(elapsedMs)} ms of simulated time, trace ${digest}`);
  for (const { invariant, detail } of violations) console.log(`${invariant}: ${detail}`);
  if (violations.length > 0) process.exitCode = 1;
}

async function search(from: number, count: number): Promise<void> {
  const startedAt = process.hrtime.bigint();
  const ranMs = (): number => Number(process.hrtime.bigint() - startedAt) / 1e6;
  const mostMs = Number(values.minutes ?? Infinity) * 60_000;
  const broken = new Map<string, number>();
  const totals = { seeds: 0, failed: 0, events: 0, faults: 0, handled: 0 };
  let toldAt = 0;
  const tell = (): void => {
    const { seeds, failed, events, faults, handled } = totals;
    const perMinute = Math.round((seeds / ranMs()) * 60_000);
    console.log(
      `${seeds} seeds, ${failed} failed, ${perMinute} a minute; ${events} events, ${faults} faults, ${handled} messages handled`,
    );
  };
  for (let seed = from; seed < from + count && ranMs() < mostMs; seed += 1) {
    const { violations, events, faults, handled } = await simulate({ seed });
    totals.seeds += 1;
    totals.events += events;
    totals.faults += faults;
    totals.handled += handled;
    const [first] = violations;
    if (first !== undefined) {
      totals.failed += 1;
      for (const invariant of new Set(violations.map((each) => each.invariant))) {
        broken.set(invariant, (broken.get(invariant) ?? 0) + 1);
      }
      console.log(`seed ${seed}: ${first.invariant}: ${first.detail}`);
      console.log(`  npm run simulate -- --seed ${seed}`);
    }
    if (ranMs() - toldAt < progressMs) continue;
    toldAt = ranMs();
    tell();
  }
  tell();
  for (const [invariant, seeds] of broken) console.log(`${invariant}: in ${seeds} seeds`);
  if (totals.failed > 0) process.exitCode = 1;
}

/** Runs parts of the seeds in processes of their own. */
async function share(jobs: number): Promise<void> {
  const { seeds = '1000', from, minutes } = values;
  // By time, each has seeds enough that it never meets those of the next.
  const each = minutes === undefined ? Math.ceil(Number(seeds) / jobs) : 10_000_000;
  const ended = Array.from({ length: jobs }, async (_, job) => {
    const args = [
      '--from',
      String(Number(from) + job * each),
      ...(minutes === undefined ? [] : ['--minutes', minutes]),
    ];
    const child = spawn(process.execPath, [process.argv[1]!, ...args, '--seeds', String(each)], { stdio: 'inherit' });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) process.exitCode = 1;
  });
  await Promise.all(ended);
}

async function findMutations(): Promise<void> {
  for (const mutation of mutations) {
    let found: string | undefined;
    for (let seed = 1; seed <= mutationSeedsMax && found === undefined; seed += 1) {
      const { violations } = await simulate({ seed, mutation });
      const first = violations.find(({ invariant }) => mutation.finds.includes(invariant));
      if (first) found = `found by seed ${seed} (${first.invariant})`;
    }
    console.log(`${mutation.name}: ${found ?? `NOT FOUND in ${mutationSeedsMax} seeds`}`);
    if (found === undefined) process.exitCode = 1;
  }
}
