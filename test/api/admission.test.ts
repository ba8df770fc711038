import { Admission, type Admitted } from '../../src/api/admission.js';
import { RecentCount } from '../../src/api/recent-count.js';
import type { Problem } from '../../src/message/problem.js';

const mebibyte = 1024 * 1024;
const limits = {
  requestsInHandMin: 128,
  requestBytesInHandMin: 8 * mebibyte,
  requestWaitMsMax: 1_000,
  requestBytesInHandMax: 256 * mebibyte,
};
/** Of a call with 100 messages, of which 256 fit below the minimum. */
const callBytes = 32 * 1024;

/** An admission whose clock is set. */
function admissionAt(options: Partial<typeof limits> = {}) {
  const clock = { now: 0 };
  return { clock, admission: new Admission({ ...limits, ...options }, () => clock.now) };
}

/** Why it is refused; undefined where it was taken. */
function refusalOf(take: () => Admitted): Problem | undefined {
  try {
    take();
    return undefined;
  } catch (error) {
    return error as Problem;
  }
}

/** Lets time pass in steps of 10 ms: `arrivals` come and up to `answers` of the oldest are answered in each. */
function pass(
  { admission, clock }: ReturnType<typeof admissionAt>,
  waiting: { admitted: Admitted; since: number }[],
  step: { untilMs: number; arrivals: () => number; answers: number; bytes?: number },
) {
  const waitsMs: number[] = [];
  let refused = 0;
  while (clock.now < step.untilMs) {
    clock.now += 10;
    for (const { admitted, since } of waiting.splice(0, step.answers)) {
      admitted.answered();
      waitsMs.push(clock.now - since);
    }
    for (let arrival = step.arrivals(); arrival > 0; arrival -= 1) {
      try {
        waiting.push({ admitted: admission.take(step.bytes ?? callBytes), since: clock.now });
      } catch {
        refused += 1;
      }
    }
  }
  return { waitsMs, answered: waitsMs.length, refused };
}

describe('Admission', () => {
  it('takes a burst whole, and refuses beyond the minimum what waits too long', () => {
    const { admission, clock } = admissionAt();
    const burst = Array.from({ length: 2_000 }, () => admission.take(callBytes));
    clock.now = 999;
    admission.take(callBytes).answered();
    clock.now = 1_000;
    expect(refusalOf(() => admission.take(callBytes))).toMatchObject({ slug: 'overloaded', status: 429 });
    for (const admitted of burst.slice(255)) admitted.left();
    expect(refusalOf(() => admission.take(callBytes))).toBeUndefined();
    expect(refusalOf(() => admission.take(callBytes))).toMatchObject({ slug: 'overloaded' });
    expect(admission.requests).toBe(256);
  });

  it.each([
    ['128 callers with bodies of 1 MiB', 128, mebibyte + 200],
    ['512 callers with bodies of 16 KiB', 511, 16 * 1024],
    ['1,000 callers with small messages', 1_000, 300],
  ])('never refuses %s, however slow the store is', (_name, count, bytes) => {
    const parts = admissionAt();
    const waiting: { admitted: Admitted; since: number }[] = [];
    const { refused, answered } = pass(parts, waiting, {
      arrivals: () => count - waiting.length,
      answers: 1,
      bytes,
      untilMs: 20_000,
    });
    expect([refused, answered]).toEqual([0, 1_999]);
  });

  it('bounds the wait under an offer of three times what can be answered, and keeps the store busy', () => {
    const parts = admissionAt();
    const waiting: { admitted: Admitted; since: number }[] = [];
    // 500/s are answered of 1,500/s.
    const load = { arrivals: () => 15, answers: 5 };
    pass(parts, waiting, { ...load, untilMs: 10_000 });
    const { waitsMs, answered, refused } = pass(parts, waiting, { ...load, untilMs: 40_000 });
    expect(Math.max(...waitsMs)).toBeLessThanOrEqual(1_100);
    expect(answered).toBe(5 * 3_000);
    expect(Math.abs(refused - 10 * 3_000)).toBeLessThan(300);
  });

  it('takes all of 512 callers who wait for their answers, also when the store stands still for two seconds', () => {
    const parts = admissionAt();
    const waiting: { admitted: Admitted; since: number }[] = [];
    const callers = { arrivals: () => 512 - waiting.length, bytes: callBytes };
    const busy = pass(parts, waiting, { ...callers, answers: 40, untilMs: 10_000 });
    const still = pass(parts, waiting, { ...callers, answers: 0, untilMs: 12_000 });
    const lump = pass(parts, waiting, { ...callers, answers: 500, untilMs: 12_010 });
    const after = pass(parts, waiting, { ...callers, answers: 40, untilMs: 20_000 });
    expect([busy, still, lump, after].map(({ refused }) => refused)).toEqual([0, 0, 0, 0]);
    expect([lump.answered, still.answered]).toEqual([500, 0]);
  });

  it('says when to come again: as long as what is in hand will take, from 1 to 10 seconds', () => {
    const parts = admissionAt({ requestsInHandMin: 1, requestBytesInHandMin: 0, requestWaitMsMax: 100 });
    const waiting: { admitted: Admitted; since: number }[] = [];
    const retryAfterMs = () => refusalOf(() => parts.admission.take(1))!.retryAfterMs!;
    waiting.push(...Array.from({ length: 300 }, () => ({ admitted: parts.admission.take(1), since: 0 })));
    parts.clock.now = 200;
    expect(retryAfterMs()).toBe(10_000);
    pass(parts, waiting, { arrivals: () => 0, answers: 1, untilMs: 1_200 });
    // 200 are left, of which 100 are answered in a second.
    expect(Math.abs(retryAfterMs() - 2_010)).toBeLessThan(210);
    const fast = admissionAt({ requestBytesInHandMax: 16 * mebibyte });
    fast.clock.now = 10_000;
    for (let count = 0; count < 100; count += 1) fast.admission.take(1).answered();
    fast.admission.take(16 * mebibyte);
    expect(refusalOf(() => fast.admission.take(1))!.retryAfterMs).toBe(1_000);
  });

  it('bounds the bytes in hand, but always takes one; one of unknown length counts as 1 MiB', () => {
    const { admission } = admissionAt({ requestBytesInHandMax: 16 * mebibyte });
    const huge = admission.take(1e12);
    expect(admission.bytes).toBe(16 * mebibyte);
    expect(refusalOf(() => admission.take(1))).toMatchObject({ status: 429, retryAfterMs: 10_000 });
    huge.answered();
    for (let count = 0; count < 16; count += 1) admission.take(undefined);
    expect(admission.bytes).toBe(16 * mebibyte);
    expect(refusalOf(() => admission.take(0))).toMatchObject({ status: 429 });
  });

  it('forgets a caller that leaves before its body has come, and goes on for one that leaves later', () => {
    const { admission } = admissionAt();
    const [early, late] = [admission.take(10_000), admission.take(20_000)];
    late.begin();
    early.left();
    late.left();
    expect([admission.requests, admission.bytes]).toEqual([1, 20_000]);
    late.answered();
    late.answered();
    early.answered();
    expect([admission.requests, admission.bytes]).toEqual([0, 0]);
  });
});

describe('RecentCount', () => {
  it('counts what happened within the window', () => {
    const count = new RecentCount(1_000);
    for (let now = 0; now < 5_000; now += 10) count.add(now);
    expect(count.at(4_999)).toBe(100);
    expect(count.at(5_500)).toBe(40);
    expect(count.at(6_000)).toBe(0);
    count.add(1e9);
    expect([count.at(1e9), count.at(1e9 + 899), count.at(1e9 + 1_000)]).toEqual([1, 1, 0]);
  });
});
