import { readFileSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { bareRouteRequestsPerSecond } from './bare-route.js';
import type { Figures } from './figures.js';
import { machine, medianFigures, table } from './report.js';
import type { Scenario } from './scenario.js';
import { clientScenarios } from './scenarios/client.js';
import { httpScenarios } from './scenarios/single-http.js';
import { lightLoad } from './scenarios/light-load.js';
import { localScenarios } from './scenarios/local.js';
import { provideServers } from './servers.js';

const scenarios: Scenario[] = [...httpScenarios, ...clientScenarios, ...localScenarios, lightLoad];

interface Options {
  seconds: string;
  warmUp: string;
  runs: string;
  only?: string;
  json?: string;
  compare?: string;
}

const { seconds, warmUp, runs, only, json, compare } = new Command('bench')
  .option('--seconds <n>', 'seconds measured in each run', '10')
  .option('--warm-up <n>', 'seconds of load before that', '4')
  .option('--runs <n>', 'runs of each scenario; the medians are printed', '3')
  .option('--only <text>', 'only the scenarios whose name contains the text')
  .option('--json <file>', 'write the figures to a file')
  .option('--compare <file>', 'print ratios to the figures of an earlier --json file')
  .parse()
  .opts<Options>();

/** Reads `commitToReceiptMs.p50` out of the figures. */
function figure(figures: Figures, path: string): number {
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], figures) as number;
}

function verdict({ target }: Scenario, figures: Figures): string {
  if (!target) return '';
  const value = figure(figures, target.figure);
  const wanted = target.atLeast !== undefined ? `≥ ${target.atLeast}` : `< ${target.below}`;
  const reached = target.atLeast !== undefined ? value >= target.atLeast : value < target.below!;
  return `${target.figure} ${wanted}: ${reached ? 'reached' : 'NOT reached'}`;
}

const servers = await provideServers();
try {
  const rows: { name: string; target: string; bareRoute: number[]; figures: Figures }[] = [];
  for (const scenario of scenarios.filter(({ name }) => !only || name.includes(only))) {
    const measured: Figures[] = [];
    const bareRoute: number[] = [];
    for (let run = 1; run <= Number(runs); run += 1) {
      process.stderr.write(`${scenario.name}: run ${run} of ${runs}\n`);
      const before = await bareRouteRequestsPerSecond(3);
      const window = { warmUpSeconds: Number(warmUp), seconds: Number(seconds) };
      const figures = await scenario.run(servers, window, before);
      const after = await bareRouteRequestsPerSecond(3);
      bareRoute.push(before, after);
      // The machine's speed drifts: the yardstick is the mean of before and after.
      if (figures.ratioToBareRoute !== undefined) figures.ratioToBareRoute *= before / ((before + after) / 2);
      measured.push(figures);
    }
    const figures = medianFigures(measured);
    rows.push({ name: scenario.name, target: verdict(scenario, figures), bareRoute, figures });
  }
  console.log(table(rows));
  console.log(`\nbare route requests/s: ${rows.flatMap(({ bareRoute }) => bareRoute.map(Math.round)).join(', ')}`);
  console.log(JSON.stringify(machine()));
  if (json) writeFileSync(json, JSON.stringify({ machine: machine(), at: new Date().toISOString(), rows }, null, 2));
  if (compare) {
    const old = JSON.parse(readFileSync(compare, 'utf8')) as { rows: { name: string; figures: Figures }[] };
    for (const row of rows) {
      const earlier = old.rows.find(({ name }) => name === row.name);
      if (!earlier) continue;
      const rate = (figures: Figures) => figures.deliveredPerSecond ?? figures.storedPerSecond!;
      const ratio = rate(row.figures) / rate(earlier.figures);
      console.log(`${row.name}: ${ratio.toFixed(2)} times the rate of ${compare}`);
    }
  }
} finally {
  await servers.stop();
}
