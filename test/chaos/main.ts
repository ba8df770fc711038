import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { Step } from '../../src/message/step.js';
import { runChain } from './chain.js';
import { allSteps, planOf } from './plan.js';
import { appendResults } from './results.js';
import type { StoreName } from './scene.js';
import { provideServers } from './servers.js';
import type { EngineName } from './topology.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const list = (value: string): string[] => value.split(',');

const options = new Command('chaos')
  .option('--seeds <n>', 'chains for each store and engine', '20')
  .option('--seed <n>', 'the first seed', '1')
  .option('--steps <names>', 'only these steps', list, allSteps)
  .option('--stores <names>', 'sqlite, mariadb', list, ['sqlite', 'mariadb'])
  .option('--engines <names>', 'memory, bull', list, ['memory', 'bull'])
  .option('--results <file>', 'where results are added', '.chaos/results.jsonl')
  .option('--keep', 'keep the folders of the chains')
  .parse()
  .opts<{
    seeds: string;
    seed: string;
    steps: Step[];
    stores: StoreName[];
    engines: EngineName[];
    results: string;
    keep?: true;
  }>();

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
const servers = await provideServers();
const folder = mkdtempSync(join(tmpdir(), 'halfbox-chaos-'));
let failed = 0;
try {
  for (let seed = Number(options.seed); seed < Number(options.seed) + Number(options.seeds); seed += 1) {
    for (const store of options.stores) {
      for (const engine of options.engines) {
        const name = `${store}-${engine}-${seed}`;
        const plan = planOf(store, engine, seed, options.steps);
        const scene = { servers, folder: join(folder, name), store, engine, seed };
        const report = await runChain(scene, plan, { commit }, (line) => console.log(`${name}: ${line}`));
        appendResults(options.results, report.results);
        const { results, findings, looked, notHit, durationMs } = report;
        console.log(`${name}: ${results.length} kills in ${durationMs} ms, ${findings.length} findings`, looked);
        for (const { invariant, what } of findings.slice(0, 20)) console.log(`  ${invariant}: ${what}`);
        failed += findings.length + notHit.length;
      }
    }
  }
} finally {
  await servers.stop();
  if (options.keep) console.log(folder);
  else rmSync(folder, { recursive: true, force: true });
}
process.exit(failed > 0 ? 1 : 0);
