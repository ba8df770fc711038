import { mutations } from './mutations.js';
import { simulate } from './simulation.js';

/** Seeds of the short version; `npm run simulate` runs as many as it is given. */
const seeds = 300;
/** Seeds beyond those that found a defect once. */
const kept = [40_196, 41_919, 42_090];
/** Each mutation is found within so many seeds from the one where its search begins. */
const mutationSeeds = 40;

describe('simulation', () => {
  test('the same seed gives the same trace', async () => {
    for (const seed of [1, 2, 3, 72, 193]) {
      const first = await simulate({ seed });
      const second = await simulate({ seed });
      expect(second).toEqual(first);
      expect(first.events).toBeGreaterThan(100);
    }
  });

  test(`nothing is lost, doubled without a cause, out of order or stuck in ${seeds} seeds`, async () => {
    const failed: string[] = [];
    let faults = 0;
    let handled = 0;
    for (const seed of [...Array.from({ length: seeds }, (_, index) => index + 1), ...kept]) {
      const result = await simulate({ seed });
      faults += result.faults;
      handled += result.handled;
      const [first] = result.violations;
      if (first) failed.push(`npm run simulate -- --seed ${seed}: ${first.invariant}: ${first.detail}`);
    }
    expect(failed).toEqual([]);
    // It would prove nothing if nothing had happened.
    expect(faults).toBeGreaterThan(seeds);
    expect(handled).toBeGreaterThan(seeds * 10);
  }, 600_000);

  test.each(mutations)(
    'finds that $name',
    async (mutation) => {
      const { from = 1, finds } = mutation;
      const found: string[] = [];
      for (let seed = from; seed < from + mutationSeeds && found.length === 0; seed += 1) {
        const { violations } = await simulate({ seed, mutation });
        found.push(...violations.map(({ invariant }) => invariant).filter((invariant) => finds.includes(invariant)));
      }
      expect(found).not.toEqual([]);
    },
    300_000,
  );
});
