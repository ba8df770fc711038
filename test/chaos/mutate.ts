import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChain, type ChainReport } from './chain.js';
import { mutations, type Mutation } from './mutations.js';
import type { PlannedKill } from './plan.js';
import type { SceneOptions } from './scene.js';
import { provideServers, type ChaosServers } from './servers.js';

/**
 * Runs the workload on brokers with one defect each, and prints a line of JSON for each: whether the audit found what it breaks.
 * `node dist/test/chaos/mutate.js [part of a name]`. The first one is no mutation: there the audit must find nothing.
 */
export interface MutationReport {
  name: string;
  breaks: string;
  found: string[];
}

const sound: Mutation = { name: 'nothing is wrong', breaks: 'lost', file: '', find: '', replace: '', kills: [] };

async function run(servers: ChaosServers, folder: string, mutation: Mutation): Promise<ChainReport> {
  const plan = mutation.kills.map((step): PlannedKill => ({ step, victim: 'broker', moment: 'work', nth: 5 }));
  const isMutated = mutation !== sound;
  const options: SceneOptions = {
    servers,
    folder: join(folder, mutation.name.replaceAll(' ', '-')),
    store: 'sqlite',
    engine: 'memory',
    seed: 1,
    pauseMs: 20,
    ...(isMutated && { settings: { CHAOS_MUTATION: mutation.name }, preloads: ['./preload/mutate.js'] }),
  };
  const bounds = { doesAll: true, servedMsMax: 2_000, stillMsMax: isMutated ? 3_000 : 20_000 };
  return runChain(options, plan, { commit: '' }, (line) => console.error(`${mutation.name}: ${line}`), bounds);
}

const servers = await provideServers();
const folder = mkdtempSync(join(tmpdir(), 'halfbox-mutations-'));
const wanted = [sound, ...mutations].filter(({ name }) => name.includes(process.argv[2] ?? ''));
const lane = async (): Promise<void> => {
  for (let mutation = wanted.shift(); mutation; mutation = wanted.shift()) {
    const { findings } = await run(servers, folder, mutation);
    const found = [...new Set(findings.map(({ invariant }) => invariant))];
    const { name, breaks } = mutation;
    console.log(JSON.stringify({ name, breaks, found } satisfies MutationReport));
    for (const invariant of found) {
      const [first] = findings.filter((finding) => finding.invariant === invariant);
      console.error(`${name}: ${invariant}: ${first!.what}`);
    }
  }
};
try {
  await Promise.all([lane(), lane()]);
} finally {
  await servers.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
