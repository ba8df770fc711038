import fc from 'fast-check';
import { TokenBucket } from '../../src/relay/token-bucket.js';

describe('a rate', () => {
  test('lets no more through in a second than it says, and a tenth at once', () => {
    const rate = fc.integer({ min: 1, max: 5_000 });
    const waits = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(rate, waits, (perSecond, waitsMs) => {
        const bucket = new TokenBucket(perSecond, 0);
        let now = 0;
        const passed: { at: number; count: number }[] = [];
        for (const waitMs of waitsMs) {
          now += waitMs;
          const count = bucket.available(now);
          bucket.take(count);
          passed.push({ at: now, count });
        }
        const burst = Math.max(1, perSecond * 0.1);
        for (const { at } of passed) {
          const inSecond = passed.filter((other) => other.at >= at && other.at < at + 1_000);
          expect(inSecond.reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(perSecond + burst + 1e-3);
        }
      }),
    );
  });

  test('waiting until it says is always enough for one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 0, max: 500 }), (perSecond, start) => {
        const bucket = new TokenBucket(perSecond, start);
        bucket.take(bucket.available(start));
        expect(bucket.available(bucket.nextAt(start))).toBeGreaterThanOrEqual(1);
      }),
    );
  });

  test('a clock that is set back gives nothing and takes nothing away', () => {
    const bucket = new TokenBucket(10, 10_000);
    bucket.take(1);
    expect(bucket.available(5_000)).toBe(0);
    expect(bucket.available(5_100)).toBe(1);
  });
});
