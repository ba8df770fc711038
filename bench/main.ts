import { allScenarios } from './all-scenarios.js';
import { bareRouteRequestsPerSecond } from './bare-route.js';
import { medianFigures } from './figures.js';
import { describeMachine } from './machine.js';
import { readOptions, type Options } from './options.js';
import type { PeerResult, Peers } from './peer.js';
import { peerTable } from './peer-table.js';
import { comparison, scenarioTable, targetTable } from './report.js';
import { readResults, Results, type Row } from './results.js';
import type { Scenario, Servers, Trial } from './scenario.js';
import { provideServers } from './servers.js';
import { targetScenarios } from './targets.js';

const bareRouteSeconds = 2;

const say = (line: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

function chosen({ only, all }: Options): readonly Scenario[] {
  if (all) return allScenarios;
  const wanted = only ?? ['targets'];
  const found = wanted.map((text) =>
    allScenarios.filter(({ id }) => (text === 'targets' ? targetScenarios.has(id) : id.includes(text))),
  );
  const missing = wanted.filter((_, index) => found[index]!.length === 0);
  if (missing.length > 0) throw new Error(`no scenario has ${missing.join(' or ')} in its id; see --list`);
  const ids = new Set(found.flat());
  return allScenarios.filter((scenario) => ids.has(scenario));
}

async function measurePeers({ peers: wanted }: Options, { window, servers }: Trial, results: Results): Promise<void> {
  const { peers } = (await import(new URL('./peers/index.js', import.meta.url).href)) as { peers: Peers };
  const found = peers.filter(({ name }) => wanted === true || name === wanted);
  if (found.length === 0) throw new Error(`--peers: there are ${peers.map(({ name }) => name).join(', ')}`);
  for (const peer of found) {
    const { name } = peer;
    say(`peer ${name}`);
    const result: PeerResult = { name };
    try {
      const missing = await peer.missing();
      if (missing === null) {
        const before = await bareRouteRequestsPerSecond(bareRouteSeconds);
        result.figures = await peer.run(window, servers);
        result.bareRoute = [before, await bareRouteRequestsPerSecond(bareRouteSeconds)];
      } else result.leftOut = missing;
    } catch (error) {
      result.leftOut = `failed: ${textOf(error)}`;
    }
    if (result.leftOut) say(`peer ${name}: ${result.leftOut}`);
    results.peers.push(result);
    results.write();
  }
}

/** Runs one scenario so often. What fails is told in its row, and the others go on. */
async function measureScenario(scenario: Scenario, trial: Trial, runs: number, results: Results): Promise<void> {
  const { id, title, runsMax = runs } = scenario;
  const row: Row = { id, title, runs: [], failures: [], bareRoute: [] };
  results.rows.push(row);
  const count = Math.min(runs, runsMax);
  for (let run = 1; run <= count; run += 1) {
    say(`${id}: run ${run} of ${count}`);
    // The machine's speed drifts: the yardstick is measured around each run.
    if (run === 1) row.bareRoute.push(await bareRouteRequestsPerSecond(bareRouteSeconds));
    try {
      row.runs.push(await scenario.run(trial));
      row.figures = medianFigures(row.runs);
    } catch (error) {
      row.failures.push(textOf(error));
      say(`${id}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
    row.bareRoute.push(await bareRouteRequestsPerSecond(bareRouteSeconds));
    results.write();
  }
}

async function run(options: Options, servers: Servers): Promise<void> {
  // Read before anything is measured: the file may be the one that is about to be written, or none at all.
  const old = options.compare === undefined ? undefined : readResults(options.compare);
  const { seconds, warmUp, scale, rate } = options;
  const trial: Trial = { servers, window: { warmUpSeconds: warmUp, seconds }, scale, ratePerSecond: rate };
  const scenarios = chosen(options);
  const results = new Results(await describeMachine(servers), { ...options }, options.json);
  if (options.peers) await measurePeers(options, trial, results);
  for (const scenario of scenarios) await measureScenario(scenario, trial, options.runs, results);
  console.log(`${scenarioTable(results.rows)}\n`);
  if (results.peers.length > 0) console.log(`${peerTable(results.peers)}\n`);
  if (results.rows.some(({ id }) => targetScenarios.has(id))) console.log(`${targetTable(results)}\n`);
  if (old) console.log(`${comparison(results, old)}\n`);
  const bareRoute = results.rows.flatMap((row) => row.bareRoute.map(Math.round));
  const besidePeers = results.peers.flatMap((peer) => (peer.bareRoute ?? []).map(Math.round));
  if (besidePeers.length > 0) console.log(`bare Fastify route beside the peers, requests/s: ${besidePeers.join(', ')}`);
  console.log(`bare Fastify route, requests/s: ${bareRoute.join(', ')}`);
  console.log(`${JSON.stringify(results.machine)}\nfigures: ${options.json}`);
  // A figure that could not be measured is no success.
  if (results.rows.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
}

const options = readOptions();
if (options.list) {
  for (const { id, title } of allScenarios)
    console.log(`${targetScenarios.has(id) ? '*' : ' '} ${id.padEnd(34)} ${title}`);
} else {
  const servers = await provideServers();
  try {
    await run(options, servers);
  } finally {
    await servers.stop();
  }
}
