import type { Audit } from '../audit/audit.js';
import { resultsOf, type Blow } from '../attribution.js';
import { Observer } from '../observer.js';
import { Progress } from '../progress.js';
import { Random } from '../random.js';
import type { Result } from '../results.js';
import { Scene } from '../scene.js';
import type { ChaosServers } from '../servers.js';
import { delay, type Fault, type Place, type Stage, type Strike } from './fault.js';

/** After a fault all consumers must be served again within this time. */
const servedMsMax = 120_000;
/** What does not move for so long is stuck. Longer than the 30 s after which the lock of a Bull worker that could not end its job runs out. */
const stillMsMax = 90_000;
/** For so long after its end a fault may still be why a message comes again; with the times as shipped the longer one. */
const aftermathMs = { quick: 1_500, shipped: 10_000 };
/** Before each strike the workload goes on undisturbed for up to so long. */
const calmMsMax = 1_500;

export interface FaultRun {
  fault: Fault;
  place: Place;
  servers: ChaosServers;
  folder: string;
  seed: number;
  /** How often the fault strikes the one scene. */
  rounds: number;
  /** No round is begun after it (epoch ms). */
  stopAt: number;
  commit: string;
  tell: (line: string) => void;
}

export interface FaultReport extends Pick<Audit, 'findings' | 'looked'> {
  results: Result[];
}

/** Workload, fault, healing, again and again; then rest and audit. */
export async function runFault(run: FaultRun): Promise<FaultReport> {
  const { fault, place, servers, folder, seed } = run;
  const stage = await fault.prepare({ place, servers, folder });
  if (stage.fallback) run.tell(`${stage.fallback.why}; ${stage.fallback.name} strikes instead`);
  try {
    const { shippedTimes: defaultTimes = false } = fault;
    const scene = await Scene.create({ servers, folder, ...place, seed, defaultTimes, ...stage.scene });
    try {
      const observer = await Observer.of(scene);
      try {
        return await new Striking(run, stage, scene, observer).all();
      } finally {
        await observer.close();
      }
    } finally {
      await scene.close();
    }
  } finally {
    await stage.close?.();
  }
}

class Striking {
  readonly #blows: Blow[] = [];
  readonly #progress: Progress;
  readonly #random: Random;
  /** Of the row that the strikes are counted in. */
  readonly #name: string;

  constructor(
    private readonly run: FaultRun,
    private readonly stage: Stage,
    private readonly scene: Scene,
    private readonly observer: Observer,
  ) {
    const served = ['orders/pull', 'orders/inbox', 'orders/push', 'orders/tcp'];
    if (run.place.engine === 'bull') served.push('orders/bull');
    this.#progress = new Progress((file) => scene.path(file), served);
    this.#random = new Random(run.seed);
    this.#name = stage.fallback?.name ?? run.fault.name;
  }

  async all(): Promise<FaultReport> {
    const { run, scene, observer } = this;
    await this.#start();
    await this.#served(Date.now());
    for (let round = 0; round < run.rounds && Date.now() < run.stopAt; round += 1) await this.#round();
    await scene.producer!.ask({ do: 'pause' }, servedMsMax);
    await scene.producer!.ask({ do: 'resolve' }, servedMsMax);
    const left = await observer.quiet(stillMsMax);
    if (left.length > 0) run.tell(`${left.length} things do not move any more: ${left.slice(0, 5).join('; ')}`);
    const found = await observer.audit();
    const { findings, looked } = found;
    return { results: resultsOf({ ...run.place, seed: run.seed }, this.#blows, found, run), findings, looked };
  }

  async #start(): Promise<void> {
    const { scene } = this;
    for (let index = 0; index < (scene.options.brokers ?? 1); index += 1) {
      scene.startBroker(index);
      if (!(await scene.ready(index))) throw new Error(`a broker ended:\n${scene.brokers[index]!.output}`);
    }
    await scene.setUp();
    await scene.startConsumer().started;
    await scene.startProducer().started;
  }

  async #round(): Promise<void> {
    const { scene, observer, stage, run } = this;
    await delay(this.#random.integer(0, calmMsMax));
    await observer.look();
    const strike = await stage.strike({
      ...{ scene, observer, random: this.#random },
      served: (since) => this.#served(since),
    });
    this.#disturbed(strike);
    // Only what the fault itself has killed and started again may have ended.
    for (const process of [...scene.brokers, scene.producer, scene.consumer]) {
      if (process?.end) throw new Error(`a process has ended:\n${process.output}`);
    }
    const servedAt = await this.#served(strike.healedAt);
    const recoveryMs = servedAt - (strike.since ?? strike.healedAt);
    this.#blows.push({ step: this.#name, at: strike.at, recoveryMs });
    run.tell(`${strike.healedAt - strike.at} ms, served again after ${recoveryMs} ms`);
  }

  #disturbed({ at, healedAt }: Strike): void {
    const { scene } = this;
    const until = healedAt + (scene.options.defaultTimes ? aftermathMs.shipped : aftermathMs.quick);
    scene.disturbances.push({ at, until, what: this.#name });
  }

  /** When every kind of consumer had got something that was begun after `since`; an error when that takes too long. */
  async #served(since: number): Promise<number> {
    const deadline = Date.now() + servedMsMax;
    for (;;) {
      const servedAt = this.#progress.servedAt(since);
      if (servedAt !== undefined) return servedAt;
      if (Date.now() > deadline) throw new Error(`not all consumers were served within ${servedMsMax} ms`);
      await delay(50);
    }
  }
}
