import { BadFront, type Misbehaviour } from './bad-front.js';
import { delay, onMariadbWithBull, onSqliteInMemory, until, type Fault } from './fault.js';

const words: Record<Misbehaviour, string> = {
  hang: 'do not answer',
  drip: 'answer a byte every 100 ms, without an end',
  huge: 'answer 10 MB',
  garbage: 'answer what is not HTTP',
};

/** For 3 to 8 s in a row the targets of pushes and of check-backs misbehave; half of the calls are carried out nevertheless. */
function badTargets(how: Misbehaviour): Fault {
  return {
    name: `targets.${how}`,
    what: `the targets of pushes and of check-backs ${words[how]} for 3 to 8 s`,
    places: [onMariadbWithBull, onSqliteInMemory],
    prepare: async () => {
      const all = [await BadFront.start(), await BadFront.start()];
      return {
        scene: {
          targetUrl: (url) => {
            const front = all.find(({ target }) => target === url) ?? all.find(({ target }) => target === undefined)!;
            front.target = url;
            return front.url;
          },
        },
        strike: async ({ random }) => {
          const at = Date.now();
          const before = all.map(({ calls }) => calls);
          for (const front of all) front.misbehaves = how;
          await delay(random.integer(3_000, 8_000));
          await until('every target was called', () => all.every(({ calls }, index) => calls > before[index]!));
          for (const front of all) front.misbehaves = undefined;
          return { at, healedAt: Date.now() };
        },
        close: async () => {
          for (const front of all) await front.close();
        },
      };
    },
  };
}

export const targetFaults: Fault[] = (['hang', 'drip', 'huge', 'garbage'] as const).map(badTargets);
