import type { Observer } from '../observer.js';
import type { Random } from '../random.js';
import type { Scene, SceneOptions, StoreName } from '../scene.js';
import type { ChaosServers } from '../servers.js';
import type { EngineName } from '../topology.js';

/** Where a fault is tried. */
export interface Place {
  store: StoreName;
  engine: EngineName;
}

export const onMariadbWithBull: Place = { store: 'mariadb', engine: 'bull' };
export const onMariadbInMemory: Place = { store: 'mariadb', engine: 'memory' };
export const onSqliteWithBull: Place = { store: 'sqlite', engine: 'bull' };
export const onSqliteInMemory: Place = { store: 'sqlite', engine: 'memory' };

/** Something that goes wrong around brokers, each a row of the table. */
export interface Fault {
  /** For example `redis.flushall`. */
  name: string;
  /** What happens, in one line. */
  what: string;
  places: Place[];
  /** Strikes again and again for a time, and not so many times. */
  isTimed?: true;
  /** Brokers have the times of leases as shipped, and the row says so. */
  shippedTimes?: true;
  /** Prepares what the fault is to happen to. */
  prepare(context: FaultContext): Promise<Stage>;
}

export interface FaultContext {
  place: Place;
  servers: ChaosServers;
  /** For files of the fault. */
  folder: string;
}

/** What a fault happens to, and how. */
export interface Stage {
  /** How the scene differs from the usual one. */
  scene?: Partial<SceneOptions>;
  /** What the fault cannot do here, and the name of the one that strikes instead: its row counts the runs. */
  fallback?: { name: string; why: string };
  /** Lets it happen while the workload runs; resolves when it is over and everything could work again. */
  strike(struck: Struck): Promise<Strike>;
  /** Ends what was prepared. */
  close?(): Promise<void>;
}

export interface Struck {
  scene: Scene;
  observer: Observer;
  random: Random;
  /** Waits until every kind of consumer got something that was begun after `since`; answers when that was. */
  served(since: number): Promise<number>;
}

/** When it began and when it was over (epoch ms). */
export interface Strike {
  at: number;
  healedAt: number;
  /** From when the recovery is counted. Default `healedAt`. */
  since?: number;
}

export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for a condition; rejects when it does not come true within `withinMs`. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>, withinMs = 120_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(20);
  }
}
