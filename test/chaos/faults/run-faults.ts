import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { appendResults } from '../results.js';
import type { ChaosServers } from '../servers.js';
import { allFaults } from './all-faults.js';
import type { Fault, Place } from './fault.js';
import { runFault } from './run-fault.js';

export interface FaultsOptions {
  /** Names of faults; all where there are none. */
  names: string[];
  /** Places that are wanted. */
  stores: string[];
  engines: string[];
  seed: number;
  seeds: number;
  rounds: number;
  minutes: number;
  lanes: number;
  results: string;
  keep: boolean;
}

/** The faults of these names, in the order of the table. @throws Error for a name that no fault has */
export function faultsNamed(names: readonly string[]): Fault[] {
  const unknown = names.filter((name) => !allFaults.some((fault) => fault.name === name));
  if (unknown.length > 0)
    throw new Error(`no fault is named ${unknown.join()}; there are ${allFaults.map(({ name }) => name).join()}`);
  return names.length === 0 ? allFaults : allFaults.filter(({ name }) => names.includes(name));
}

/** Of a fault that strikes for a time, where no shorter one is given. */
const timedMs = 600_000;

interface PlannedRun {
  fault: Fault;
  place: Place;
  seed: number;
}

/** Runs the faults and adds what they did to the results. Answers how many runs went wrong. */
export async function runFaults(
  options: FaultsOptions,
  { servers, folder, commit }: { servers: ChaosServers; folder: string; commit: string },
): Promise<number> {
  const stopAt = Date.now() + options.minutes * 60_000;
  const seeds = Array.from({ length: options.seeds }, (_, index) => options.seed + index);
  const planned: PlannedRun[] = seeds.flatMap((seed) =>
    faultsNamed(options.names).flatMap((fault) =>
      fault.places
        .filter(({ store, engine }) => options.stores.includes(store) && options.engines.includes(engine))
        .map((place) => ({ fault, place, seed })),
    ),
  );
  if (planned.length === 0) throw new Error('there is no such fault on these stores and engines');
  let failures = 0;
  const one = async ({ fault, place, seed }: PlannedRun): Promise<void> => {
    const name = `${fault.name} ${place.store}-${place.engine}-${seed}`;
    const tell = (line: string): void => console.log(`${name}: ${line}`);
    const at = join(folder, name.replaceAll(' ', '-'));
    mkdirSync(at, { recursive: true });
    try {
      const environment = { servers, folder: at, commit, tell, stopAt };
      const rounds = fault.isTimed ? Infinity : options.rounds;
      if (fault.isTimed) environment.stopAt = Math.min(stopAt, Date.now() + timedMs);
      const { results, findings, looked } = await runFault({ ...environment, seed, rounds, fault, place });
      appendResults(options.results, results);
      tell(`${results.length} times, ${findings.length} findings; ${JSON.stringify(looked)}`);
      for (const { invariant, what } of findings.slice(0, 20)) tell(`  ${invariant}: ${what}`);
      if (findings.length === 0) {
        if (!options.keep) rmSync(at, { recursive: true, force: true });
        return;
      }
    } catch (error) {
      tell(`broke off: ${(error as Error).stack}`);
    }
    failures += 1;
    const where = `--stores ${place.store} --engines ${place.engine}`;
    tell(`to repeat it: npm run chaos -- --faults ${fault.name} ${where} --seed ${seed} --seeds 1 --keep`);
    tell(`what it left: ${at}`);
  };
  const lane = async (): Promise<void> => {
    for (let run = planned.shift(); run && Date.now() < stopAt; run = planned.shift()) await one(run);
  };
  await Promise.all(Array.from({ length: options.lanes }, lane));
  return failures;
}
