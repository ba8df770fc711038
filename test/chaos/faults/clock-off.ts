import { delay, onMariadbInMemory, onMariadbWithBull, type Fault } from './fault.js';

const offMs = 600_000;
/** Longer than brokers go without asking the store for its time. */
const wrongMs = 20_000;

function clockOff(direction: 'ahead' | 'behind'): Fault {
  return {
    name: `clock.10-minutes-${direction}`,
    what: `the clock of one of two brokers jumps 10 minutes ${direction} while it runs, and back after ${wrongMs / 1_000} s`,
    places: [onMariadbWithBull, onMariadbInMemory],
    shippedTimes: true,
    prepare: async () => ({
      scene: { brokers: 2, preloads: ['./preload/settable-clock.js'] },
      strike: async ({ scene, random }) => {
        const at = Date.now();
        const { child } = scene.brokers[random.integer(0, 1)]!;
        child.send({ clockOffMs: direction === 'ahead' ? offMs : -offMs });
        await delay(wrongMs);
        child.send({ clockOffMs: 0 });
        return { at, healedAt: Date.now() };
      },
    }),
  };
}

export const clockAhead = clockOff('ahead');
export const clockBehind = clockOff('behind');
