import fc from 'fast-check';
import { defaultRetryLevelsMs } from '../../src/message/subscription.js';
import { retryDelayMs } from '../../src/relay/retry-policy.js';

describe('the wait before the next try', () => {
  test('by levels: one after the other, then the last again and again', () => {
    const levels = { levelsMs: defaultRetryLevelsMs };
    expect([1, 2, 16, 17, 99].map((failed) => retryDelayMs(levels, failed, 0))).toEqual([
      10_000, 30_000, 7_200_000, 7_200_000, 7_200_000,
    ]);
    expect(retryDelayMs({ levelsMs: [] }, 1, 0)).toBe(0);
  });

  test('fixed: always the same', () => {
    expect([1, 5].map((failed) => retryDelayMs({ fixedMs: 250 }, failed, 0.9))).toEqual([250, 250]);
  });

  test('exponential: doubles up to the bound, and jitter spreads it both ways', () => {
    const policy = { initialMs: 100, factor: 2, maxMs: 1_000, jitter: 0 };
    expect([1, 2, 3, 4, 5, 60].map((failed) => retryDelayMs(policy, failed, 0.5))).toEqual([
      100, 200, 400, 800, 1_000, 1_000,
    ]);
    const jittered = { ...policy, jitter: 0.5 };
    expect([0, 0.5, 0.999].map((random) => retryDelayMs(jittered, 1, random))).toEqual([50, 100, 150]);
  });

  test('is never negative, never beyond the bound, and a whole number', () => {
    const policy = fc.record({
      initialMs: fc.integer({ min: 0, max: 1_000 }),
      factor: fc.double({ min: 1, max: 10, noNaN: true }),
      maxMs: fc.integer({ min: 0, max: 86_400_000 }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(policy, fc.integer({ min: 1, max: 100 }), random, (given, failed, drawn) => {
        const delay = retryDelayMs(given, failed, drawn);
        expect(Number.isInteger(delay)).toBe(true);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThanOrEqual(given.maxMs);
      }),
    );
  });
});
