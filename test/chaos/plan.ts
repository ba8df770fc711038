import { steps, type Step } from '../../src/message/step.js';
import { Random } from './random.js';
import type { StoreName } from './scene.js';
import type { EngineName } from './topology.js';

/** Which process reaches a step. */
export type Victim = 'broker' | 'producer' | 'consumer';

/** When the order to die is given: before the process starts, while all works, or before it is asked to stop. */
export type Moment = 'start' | 'work' | 'stop';

export interface PlannedKill {
  step: Step;
  victim: Victim;
  moment: Moment;
  nth: number;
}

export const allSteps = Object.keys(steps) as Step[];

/** Steps that come a few times at each start, and hardly at another time. */
const atStart = new Set<Step>(['migrate.mid', 'lease.acquired', 'lease.recovered', 'queue.adopted', 'relay.read']);
const inConsumer = /^client\.(inbox|consumer)\./;
/** How often a step is reached before the process dies, at most; the others up to 12 times. */
const seldom: Partial<Record<Step, number>> = {
  'migrate.mid': 30,
  'queue.adopted': 1,
  'lease.acquired': 7,
  'lease.recovered': 7,
  'lease.released': 6,
  'relay.read': 5,
  'check.parked': 2,
  'check.postponed': 3,
  'dead-letter.stored': 3,
  'relay.spilled': 3,
  'relay.cursor-written': 2,
  'retention.mid-batch': 3,
  'retention.raised-before-sweep': 3,
  'schedule.due-before-append': 5,
  'schedule.appended': 5,
  'client.check.settled-before-answer': 4,
};

/** Whether the step exists on this store with this engine. */
export function applies(step: Step, store: StoreName, engine: EngineName): boolean {
  if (step === 'store.commit.on-the-wire') return store === 'mariadb';
  return engine === 'bull' || !step.startsWith('queue.');
}

/**
 * The kills of one chain: every step that applies once, in an order that the seed determines, as do the places where they
 * happen. The schema is made at the first start only.
 */
export function planOf(store: StoreName, engine: EngineName, seed: number, wanted: readonly Step[]): PlannedKill[] {
  const random = new Random(seed * 2_654_435_761 + (store === 'sqlite' ? 1 : 2) + (engine === 'bull' ? 4 : 0));
  const applying = wanted.filter((step) => applies(step, store, engine));
  const shuffled = random.shuffled(applying.filter((step) => step !== 'migrate.mid'));
  const ordered: Step[] = applying.includes('migrate.mid') ? ['migrate.mid', ...shuffled] : shuffled;
  return ordered.map((step) => ({
    step,
    victim: !step.startsWith('client.') ? 'broker' : inConsumer.test(step) ? 'consumer' : 'producer',
    moment: atStart.has(step) ? 'start' : step === 'lease.released' ? 'stop' : 'work',
    nth: random.integer(1, seldom[step] ?? 12),
  }));
}
