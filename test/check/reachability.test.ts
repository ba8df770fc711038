import { Reachability } from '../../src/check/reachability.js';

const backoff = { backoffMs: 1_000, backoffMsMax: 55_000 };

describe('Reachability', () => {
  it('backs off for 1 s, doubling to the bound', () => {
    const reach = new Reachability(backoff);
    let now = 0;
    const waits = Array.from({ length: 9 }, () => {
      reach.failed(reach.round, now);
      const waitMs = reach.openUntil - now;
      expect(reach.isOpen(now)).toBe(true);
      now = reach.openUntil;
      expect(reach.isOpen(now)).toBe(false);
      return waitMs;
    });
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 55_000, 55_000, 55_000]);
  });

  it('counts asks that were under way together once', () => {
    const reach = new Reachability(backoff);
    const { round } = reach;
    for (let ask = 0; ask < 8; ask += 1) reach.failed(round, 0);
    expect(reach.openUntil).toBe(1_000);
  });

  it('is closed by an answer and starts again with 1 s', () => {
    const reach = new Reachability(backoff);
    reach.failed(reach.round, 0);
    reach.failed(reach.round, 1_000);
    reach.answered();
    expect(reach.unreachable).toBe(false);
    expect(reach.isOpen(1_500)).toBe(false);
    reach.failed(reach.round, 2_000);
    expect(reach.openUntil).toBe(3_000);
  });
});
