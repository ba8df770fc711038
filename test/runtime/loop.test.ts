import { systemClock } from '../../src/message/clock.js';
import { Events } from '../../src/runtime/events.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { Loop } from '../../src/runtime/loop.js';
import { eachLimited } from '../../src/runtime/each-limited.js';
import { StoreClock } from '../../src/runtime/store-clock.js';

const options = { name: 'test', intervalMs: 3_600_000, clock: systemClock, logger: silentLogger };

/** Resolves when it was called so many times. */
function calls(count: number): { call: () => void; reached: Promise<void> } {
  let left = count;
  let resolve: () => void;
  const reached = new Promise<void>((done) => (resolve = done));
  return { call: () => (left -= 1) === 0 && resolve(), reached };
}

describe('a loop', () => {
  test('runs again at once after a full batch, never twice at a time', async () => {
    const { call, reached } = calls(5);
    let running = 0;
    let most = 0;
    let runs = 0;
    const loop = new Loop(async () => {
      most = Math.max(most, (running += 1));
      await new Promise(setImmediate);
      running -= 1;
      runs += 1;
      call();
      return runs < 5;
    }, options);
    loop.start();
    await reached;
    await loop.stop();
    expect([runs, most]).toEqual([5, 1]);
  });

  test('is woken, also by a wake-up during a run, and not after its stop', async () => {
    const { call, reached } = calls(2);
    let runs = 0;
    const loop = new Loop(async () => {
      runs += 1;
      if (runs === 1) loop.wake();
      await Promise.resolve();
      call();
      return false;
    }, options);
    loop.wake();
    expect(runs).toBe(0);
    loop.start();
    await reached;
    await loop.stop();
    loop.wake();
    await new Promise(setImmediate);
    expect(runs).toBe(2);
  });

  test('goes on after a run that failed', async () => {
    const { call, reached } = calls(3);
    const loop = new Loop(
      () => {
        call();
        return Promise.reject(new Error('away'));
      },
      { ...options, retryMs: 1 },
    );
    loop.start();
    await reached;
    await loop.stop();
  });
});

test('events reach all listeners, whatever one of them throws', () => {
  const errors: unknown[] = [];
  const events = new Events<{ paid: number }>((error) => errors.push(error));
  const heard: number[] = [];
  events.on('paid', () => {
    throw new Error('bad listener');
  });
  const unlisten = events.on('paid', (amount) => heard.push(amount));
  events.emit('paid', 5);
  unlisten();
  events.emit('paid', 6);
  expect([heard, errors.length]).toEqual([[5], 2]);
});

test('work is done for each, a bounded number at once, and the first error is told after all', async () => {
  let running = 0;
  let most = 0;
  const done: number[] = [];
  const all = eachLimited([1, 2, 3, 4, 5], 2, async (item) => {
    most = Math.max(most, (running += 1));
    await new Promise(setImmediate);
    running -= 1;
    if (item === 2) throw new Error('two');
    done.push(item);
  });
  await expect(all).rejects.toThrow('two');
  expect([most, done.sort()]).toEqual([2, [1, 3, 4, 5]]);
});

test("the store's clock is followed, but for samples that took too long", async () => {
  let local = 1_000;
  let roundTripMs = 10;
  const store = {
    now: () => {
      local += roundTripMs;
      return Promise.resolve(local + 500 - roundTripMs / 2);
    },
  };
  const clock = new StoreClock(store, silentLogger, 10_000, { now: () => local });
  await clock.runOnce();
  expect(clock.now()).toBe(local + 500);
  roundTripMs = 5_000;
  store.now = () => {
    local += roundTripMs;
    return Promise.resolve(0);
  };
  await clock.runOnce();
  expect(clock.now()).toBe(local + 500);
});

test("the store's clock is followed from the first sample on, however slow the store is", async () => {
  let local = 1_000;
  const offMs = 86_400_000;
  const roundTrips = [9_000, 4_000, 8_000, 7_000, 6_000, 5_000, 3_000, 10];
  const store = {
    now: () => {
      // The request is on its way for all of the time, so that the sample is wrong by half of it.
      local += roundTrips.shift()!;
      return Promise.resolve(local + offMs);
    },
  };
  const clock = new StoreClock(store, silentLogger, 10_000, { now: () => local });
  const wrongByMs = () => clock.now() - local - offMs;
  await clock.runOnce();
  expect([wrongByMs(), roundTrips.length]).toEqual([2_000, 3]);
  await clock.runOnce();
  expect([wrongByMs(), roundTrips.length]).toEqual([2_000, 2]);
  await clock.runOnce();
  expect([wrongByMs(), roundTrips.length]).toEqual([1_500, 1]);
  await clock.runOnce();
  expect([wrongByMs(), roundTrips.length]).toEqual([5, 0]);
});

test("the store's clock goes on evenly when the time of day is set", async () => {
  const clock = new StoreClock({ now: () => Promise.resolve(1_000_000) }, silentLogger);
  await clock.runOnce();
  const timeOfDay = jest.spyOn(Date, 'now');
  try {
    for (const offMs of [600_000, -600_000]) {
      timeOfDay.mockReturnValue(new Date().getTime() + offMs);
      expect(clock.now()).toBeGreaterThanOrEqual(1_000_000);
      expect(clock.now()).toBeLessThan(1_100_000);
    }
  } finally {
    timeOfDay.mockRestore();
  }
});
