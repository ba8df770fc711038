import type { Step } from '../../../src/message/step.js';
import { delay, onMariadbInMemory, onMariadbWithBull, until, type Fault } from './fault.js';

const blockMs = 20_000;

/** Where a node that wakes up is about to number, to settle or to hand out something. */
const stepsOf: Record<'memory' | 'bull', Step[]> = {
  memory: [
    'store.transaction.open',
    'relay.settle.before-store',
    'half.commit.before-store',
    'relay.given-before-hand-out',
    'relay.read',
    'schedule.due-before-append',
    'check.answered-before-store',
    'push.sent-before-settle',
  ],
  bull: ['queue.drained-before-settle', 'queue.given-before-enqueue', 'queue.settled-before-remove', 'lease.renewed'],
};

export const loopBlocked: Fault = {
  name: 'event-loop.blocked-20-s',
  what: 'the event loop of one of two brokers stands still for 20 s at a step, so that its leases (5 s) run out',
  places: [onMariadbWithBull, onMariadbInMemory],
  shippedTimes: true,
  prepare: async ({ place }) => ({
    scene: { brokers: 2 },
    strike: async ({ scene, random }) => {
      const steps = place.engine === 'bull' ? [...stepsOf.memory, ...stepsOf.bull] : stepsOf.memory;
      const before = scene.kills.length;
      const blocked = scene.brokers[random.integer(0, 1)]!;
      // One that owns nothing of the kind does not get there, and is sent elsewhere.
      while (scene.kills.length === before) {
        blocked.arm({ step: random.pick(steps), nth: random.integer(1, 5), blockMs });
        await until('the step is reached', () => scene.kills.length > before, 5_000).catch(() => undefined);
      }
      const { at } = scene.kills.at(-1)!;
      await delay(at + blockMs - Date.now());
      return { at, healedAt: at + blockMs };
    },
  }),
};
