import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { Step } from '../../src/message/step.js';
import { runChain } from './chain.js';
import { countFlushes } from './flushes.js';
import { runFaults, type FaultsOptions } from './faults/run-faults.js';
import { allSteps, applies, planOf } from './plan.js';
import { table } from './report.js';
import { appendResults, readResults } from './results.js';
import { allRows } from './rows.js';
import type { StoreName } from './scene.js';
import { provideServers, type ChaosServers } from './servers.js';
import type { EngineName } from './topology.js';

const list = (value: string): string[] => value.split(',');

interface Options {
  seeds?: string;
  seed: string;
  steps: Step[];
  stores: StoreName[];
  engines: EngineName[];
  minutes: string;
  lanes: string;
  results: string;
  faults?: string[] | true;
  rounds: string;
  report?: true;
  flushes?: true;
  keep?: true;
}

const options = new Command('chaos')
  .description('kills real processes at every durable step, and audits what is left')
  .option('--seeds <n>', 'chains on each store with each engine (default: 20), or runs of each fault (default: 1)')
  .option('--seed <n>', 'the first seed', '1')
  .option('--steps <names>', 'only these steps', list, allSteps)
  .option('--stores <names>', 'sqlite, mariadb', list, ['sqlite', 'mariadb'])
  .option('--engines <names>', 'memory, bull', list, ['memory', 'bull'])
  .option('--minutes <n>', 'begin no chain after so many minutes', 'Infinity')
  .option('--lanes <n>', 'chains at once', '2')
  .option('--results <file>', 'where results are added', '.chaos/results.jsonl')
  .option('--faults [names]', 'instead of kills at steps: these faults around brokers, or all of them', list)
  .option('--rounds <n>', 'how often each fault strikes one store', '20')
  .option('--report', 'print the table of the results file and end')
  .option('--flushes', 'count flushes per acknowledged batch and end')
  .option('--keep', 'keep the folders of the chains')
  .parse()
  .opts<Options>();

interface PlannedChain {
  store: StoreName;
  engine: EngineName;
  seed: number;
}

/** All places with one seed before the next seed, so that a run that is cut short has the same number everywhere. */
function plannedChains({ seed: first, seeds = '20', stores, engines }: Options): PlannedChain[] {
  return Array.from({ length: Number(seeds) }, (_, index) => Number(first) + index).flatMap((seed) =>
    stores.flatMap((store) => engines.map((engine) => ({ store, engine, seed }))),
  );
}

class Run {
  #failures = 0;
  readonly #hit = new Set<string>();
  readonly #stopAt = Date.now() + Number(options.minutes) * 60_000;

  constructor(
    private readonly servers: ChaosServers,
    private readonly folder: string,
    private readonly commit: string,
  ) {}

  /** Runs chains until there is none left or the time is over. Answers how much went wrong. */
  async all(chains: PlannedChain[]): Promise<number> {
    const wanted = new Set(
      options.steps.filter((step) => chains.some(({ store, engine }) => applies(step, store, engine))),
    );
    const lane = async (): Promise<void> => {
      for (let chain = chains.shift(); chain && Date.now() < this.#stopAt; chain = chains.shift())
        await this.#chain(chain);
    };
    await Promise.all(Array.from({ length: Number(options.lanes) }, lane));
    for (const step of wanted) {
      if (this.#hit.has(step)) continue;
      console.log(`${step} was never hit`);
      this.#failures += 1;
    }
    return this.#failures;
  }

  async #chain({ store, engine, seed }: PlannedChain): Promise<void> {
    const name = `${store}-${engine}-${seed}`;
    const folder = join(this.folder, name);
    const plan = planOf(store, engine, seed, options.steps);
    const tell = (line: string): void => console.log(`${name}: ${line}`);
    const scene = { servers: this.servers, folder, store, engine, seed };
    try {
      const { results, findings, looked, notHit, durationMs } = await runChain(
        scene,
        plan,
        { commit: this.commit },
        tell,
      );
      appendResults(options.results, results);
      for (const { step } of results) this.#hit.add(step);
      const each = Math.round(durationMs / Math.max(1, results.length));
      tell(`${results.length} kills, ${each} ms each, ${findings.length} findings; ${JSON.stringify(looked)}`);
      for (const { invariant, what } of findings.slice(0, 20)) tell(`  ${invariant}: ${what}`);
      if (findings.length === 0 && notHit.length === 0) {
        if (!options.keep) rmSync(folder, { recursive: true, force: true });
        return;
      }
    } catch (error) {
      tell(`broke off: ${(error as Error).stack}`);
    }
    this.#failures += 1;
    const steps = options.steps === allSteps ? '' : ` --steps ${options.steps.join()}`;
    tell(
      `to repeat it: npm run chaos -- --stores ${store} --engines ${engine} --seed ${seed} --seeds 1 --keep${steps}`,
    );
    tell(`what it left: ${folder}`);
  }
}

function faultsOptions(names: string[]): FaultsOptions {
  const { stores, engines, results, keep = false, seed, seeds = '1', rounds, minutes, lanes } = options;
  return {
    ...{ names, stores, engines, results, keep },
    seed: Number(seed),
    seeds: Number(seeds),
    rounds: Number(rounds),
    minutes: Number(minutes),
    lanes: Number(lanes),
  };
}

async function main(): Promise<number> {
  if (options.report) {
    console.log(table(readResults(options.results), allRows));
    return 0;
  }
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  const servers = await provideServers();
  try {
    const folder = mkdtempSync(join(tmpdir(), 'halfbox-chaos-'));
    if (options.flushes) {
      for (const store of options.stores)
        console.log(await countFlushes(servers, join(folder, `flushes-${store}`), store));
      return 0;
    }
    if (options.faults) {
      const names = options.faults === true ? [] : options.faults;
      return await runFaults(faultsOptions(names), { servers, folder, commit });
    }
    return await new Run(servers, folder, commit).all(plannedChains(options));
  } finally {
    await servers.stop();
  }
}

process.exit((await main()) > 0 ? 1 : 0);
