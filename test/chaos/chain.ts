import type { Audit } from './audit/audit.js';
import type { Finding } from './audit/evidence.js';
import type { ProducerEntry } from './facts.js';
import { readJournal } from './journal.js';
import { Observer } from './observer.js';
import type { PlannedKill } from './plan.js';
import type { StepTaken } from './preload/kill-switch.js';
import type { Result } from './results.js';
import { Scene, type SceneOptions } from './scene.js';

/** A step must be reached within this time. */
const hitMsMax = 20_000;
/** After the last kill everything must come to rest within this time. */
const quietMsMax = 30_000;

export interface ChainReport {
  results: Result[];
  findings: Finding[];
  looked: Audit['looked'];
  /** Steps at which nothing died within the time. */
  notHit: string[];
  /** How often each process reached each step, as far as they lived to tell. */
  durationMs: number;
}

/** A kill as it happened. */
interface Kill {
  planned: PlannedKill;
  taken: StepTaken;
}

/**
 * Kills on one store, one after the other: kill, start again, wait until it works, kill at the next step. In the end nothing more
 * is begun, everything has to come to rest, and the audit looks at all that happened since the beginning.
 */
export async function runChain(
  options: SceneOptions,
  plan: readonly PlannedKill[],
  version: { commit: string },
  tell: (line: string) => void = () => undefined,
): Promise<ChainReport> {
  const startedAt = Date.now();
  const scene = await Scene.create(options);
  const observer = await Observer.of(scene);
  try {
    const chain = new Chain(scene, observer, tell);
    for (const planned of plan) await chain.kill(planned);
    const left = await chain.rest();
    const found = await observer.audit();
    for (const what of left) tell(`still moving: ${what}`);
    const results = resultsOf(options, chain.kills, scene, found, version);
    const durationMs = Date.now() - startedAt;
    return { results, findings: found.findings, looked: found.looked, notHit: chain.notHit, durationMs };
  } finally {
    await observer.close();
    await scene.close();
  }
}

class Chain {
  readonly kills: Kill[] = [];
  readonly notHit: string[] = [];
  #isSetUp = false;

  constructor(
    private readonly scene: Scene,
    private readonly observer: Observer,
    private readonly tell: (line: string) => void,
  ) {}

  async kill(planned: PlannedKill): Promise<void> {
    const { step, victim, moment, nth } = planned;
    const order = { step, nth };
    if (moment === 'start') await this.#killAtStart(planned);
    else {
      await this.#running();
      const process = victim === 'broker' ? this.scene.brokers[0]! : this.scene[victim]!;
      process.arm(order);
      if (moment === 'stop') process.child.kill('SIGTERM');
      await this.#died(planned, process.ended);
    }
    if (victim !== 'broker') return;
    await this.observer.look().catch((error: unknown) => {
      // Before the first migration is through there is nothing to read.
      if (this.#isSetUp) throw error;
    });
  }

  /** Ends all that goes on; answers what did not come to rest. */
  async rest(): Promise<string[]> {
    await this.#running();
    await this.scene.producer!.ask({ do: 'pause' });
    await this.scene.producer!.ask({ do: 'resolve' });
    return this.observer.quiet(quietMsMax);
  }

  async #killAtStart(planned: PlannedKill): Promise<void> {
    // Started again, so that there is a start: only the first one has none before it.
    if (this.#isSetUp || planned.step !== 'migrate.mid') await this.#running();
    await this.scene.brokers[0]?.kill();
    const broker = this.scene.startBroker(0, { step: planned.step, nth: planned.nth });
    await this.#died(planned, broker.ended);
  }

  async #died(planned: PlannedKill, ended: Promise<{ signal: string | null; code: number | null }>): Promise<void> {
    const before = this.scene.kills.length;
    const late = new Promise<null>((resolve) => setTimeout(resolve, hitMsMax, null).unref());
    const end = await Promise.race([ended, late]);
    const taken = this.scene.kills.slice(before > 0 ? -1 : 0).at(-1);
    const isIt =
      end?.signal === 'SIGKILL' &&
      taken?.step === planned.step &&
      !this.kills.some((kill) => kill.taken.at === taken.at);
    if (isIt) {
      this.kills.push({ planned, taken });
      return;
    }
    this.notHit.push(planned.step);
    this.tell(
      `${planned.step} was not reached ${planned.nth} times${end ? `: ended with ${end.code ?? end.signal}` : ''}`,
    );
    const process = planned.victim === 'broker' ? this.scene.brokers[0]! : this.scene[planned.victim]!;
    await process.kill();
  }

  /** Starts what does not run, and waits until it works. */
  async #running(): Promise<void> {
    const { scene } = this;
    const [broker] = scene.brokers;
    if (!broker || broker.end) scene.startBroker();
    if (!(await scene.ready())) throw new Error(`the broker ended: ${scene.brokers[0]!.output}`);
    if (!this.#isSetUp) {
      await scene.setUp();
      this.#isSetUp = true;
    }
    for (const name of ['consumer', 'producer'] as const) {
      if (scene[name] && !scene[name].end) continue;
      const process = name === 'consumer' ? scene.startConsumer() : scene.startProducer();
      await process.started;
    }
  }
}

function resultsOf(
  { store, engine, seed }: SceneOptions,
  kills: readonly Kill[],
  scene: Scene,
  found: Audit,
  { commit }: { commit: string },
): Result[] {
  const results = kills.map(({ planned: { step, nth }, taken: { at } }): Result => {
    const date = new Date(at).toISOString();
    return { step, store, engine, seed, nth, commit, date, findings: {}, duplicates: {} };
  });
  void scene;
  void readJournal<ProducerEntry>;
  for (const { invariant, at } of found.findings) {
    // Whatever goes wrong with something is put down to the kill after it began; at the end, to the last one.
    const index = kills.findIndex(({ taken }) => taken.at >= at);
    const { findings } = results[index < 0 ? results.length - 1 : index]!;
    findings[invariant] = (findings[invariant] ?? 0) + 1;
  }
  return results;
}
