import type { Audit } from './audit/audit.js';
import { resultsOf, type Blow } from './attribution.js';
import type { Finding } from './audit/evidence.js';
import { Observer } from './observer.js';
import type { PlannedKill } from './plan.js';
import type { StepTaken } from './preload/kill-switch.js';
import type { Result } from './results.js';
import { Progress } from './progress.js';
import { Random } from './random.js';
import { Scene, type SceneOptions } from './scene.js';

/** A step must be reached within this time. */
const hitMsMax = 120_000;

/** Lengths of time in a chain, generous since a machine may be busy. */
export interface ChainBounds {
  /** After the last kill work goes on until all that the workload does has been done a few times. Default false. */
  doesAll: boolean;
  /** Then everything must come to rest; what does not move for so long is stuck. Default 20,000. */
  stillMsMax: number;
  /** After a kill all consumers must be served again within this time. Default 120,000. */
  servedMsMax: number;
}

const usualBounds: ChainBounds = { doesAll: false, stillMsMax: 20_000, servedMsMax: 120_000 };

/** In so many of 100 cases the next kill does not wait until everything works again. */
const impatientPercent = 20;

export interface ChainReport {
  results: Result[];
  findings: Finding[];
  looked: Audit['looked'];
  /** Steps at which nothing died within the time. */
  notHit: string[];
  durationMs: number;
}

/** A kill as it happened. */
interface Kill {
  planned: PlannedKill;
  taken: StepTaken;
  /** From the kill of a broker until every kind of consumer got something that was begun after it. */
  recoveryMs?: number;
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
  bounds: ChainBounds = usualBounds,
): Promise<ChainReport> {
  const startedAt = Date.now();
  const scene = await Scene.create(options);
  const observer = await Observer.of(scene);
  try {
    const chain = new Chain(scene, observer, tell, bounds);
    for (const planned of plan) await chain.kill(planned);
    const left = await chain.rest();
    const found = await observer.audit();
    if (left.length > 0) tell(`${left.length} things do not move any more: ${left.slice(0, 5).join('; ')}`);
    const blows = chain.kills.map(({ planned: { step, nth }, taken: { at }, recoveryMs }): Blow => ({
      ...{ step, nth, at },
      ...(recoveryMs !== undefined && { recoveryMs }),
    }));
    const results = resultsOf(options, blows, found, version);
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
  readonly #progress: Progress;
  readonly #random: Random;
  #isSetUp = false;

  constructor(
    private readonly scene: Scene,
    private readonly observer: Observer,
    private readonly tell: (line: string) => void,
    private readonly bounds: ChainBounds,
  ) {
    const served = ['orders/pull', 'orders/inbox', 'orders/push', 'orders/tcp'];
    if (scene.options.engine === 'bull') served.push('orders/bull');
    this.#progress = new Progress((file) => scene.path(file), served);
    this.#random = new Random(scene.options.seed);
  }

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
    while (this.bounds.doesAll && !this.#progress.hasDoneAll) await new Promise((resolve) => setTimeout(resolve, 50));
    await this.scene.producer!.ask({ do: 'pause' });
    await this.scene.producer!.ask({ do: 'resolve' });
    return this.observer.quiet(this.bounds.stillMsMax);
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
    const last = this.kills.at(-1);
    if (last?.planned.victim === 'broker' && last.recoveryMs === undefined && !this.#random.percent(impatientPercent)) {
      await this.#served(last);
    }
  }

  async #served(kill: Kill): Promise<void> {
    const { servedMsMax } = this.bounds;
    const deadline = Date.now() + servedMsMax;
    while (Date.now() < deadline) {
      const servedAt = this.#progress.servedAt(kill.taken.at);
      if (servedAt !== undefined) {
        kill.recoveryMs = servedAt - kill.taken.at;
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    this.tell(`after ${kill.planned.step} not all consumers were served within ${servedMsMax} ms`);
    kill.recoveryMs = servedMsMax;
  }
}
