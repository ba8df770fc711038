import { QueueBridge } from '../../src/deliver/queue-bridge.js';
import type { QueueBridgeEvents, QueueBridgeSettings } from '../../src/deliver/queue-bridge-settings.js';
import { MemoryEngine } from '../../src/queue/memory/memory-engine.js';
import type { EngineQueue, JobHandler } from '../../src/queue/queue-engine.js';
import { Events } from '../../src/runtime/events.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { until } from '../queue/until.js';
import { FakeOwnedSubscription } from './fake-owned-subscription.js';

const noCounts = { ignored: 0, engineLost: 0, workerLost: 0, misnamed: 0 };
const never = new Promise<never>(() => {});

/** A memory engine that can be away. */
class UnsteadyEngine extends MemoryEngine {
  away = false;
  /** Enqueues, then fails: the answer was lost. */
  answersLost = 0;

  override open(topic: string, group: string): EngineQueue {
    const queue = super.open(topic, group);
    return new Proxy(queue, {
      get: (target, name: keyof EngineQueue) => {
        if (name === 'onOutcome' || name === 'close') return target[name].bind(target);
        return async (...args: never[]) => {
          if (this.away) throw new Error('the engine is away');
          const answer = await (target[name] as (...args: never[]) => Promise<unknown>).apply(target, args);
          if (name === 'enqueue' && this.answersLost-- > 0) throw new Error('the answer was lost');
          return answer;
        };
      },
    });
  }
}

describe('queue bridge', () => {
  let nowMs: number;
  const clock = { now: () => nowMs };
  let engine: UnsteadyEngine;
  let owned: FakeOwnedSubscription;
  let counts: Record<keyof QueueBridgeEvents, number>;
  let bridges: QueueBridge[];

  beforeEach(() => {
    nowMs = 1_000_000;
    engine = new UnsteadyEngine();
    owned = new FakeOwnedSubscription('orders', clock);
    counts = { ...noCounts };
    bridges = [];
  });
  afterEach(() => Promise.all(bridges.map((bridge) => bridge.stop())));

  function bridge(settings: Partial<QueueBridgeSettings> = {}, of = owned): QueueBridge {
    const events = new Events<QueueBridgeEvents>();
    for (const name of ['ignored', 'engineLost', 'workerLost', 'misnamed'] as const) {
      events.on(name, ({ count }) => void (counts[name] += count));
    }
    const made = new QueueBridge(of, { engine, clock, logger: silentLogger, events }, { retryMs: 1, ...settings });
    bridges.push(made);
    return made;
  }

  function work(handler: JobHandler): void {
    engine.process('orders', 'mail', 10, handler);
  }

  it('carries every message to the workers and settles what they return', async () => {
    const seen: unknown[] = [];
    work((message) => void seen.push(message));
    await bridge({ windowMax: 20 }).start();
    owned.add(500);
    await until('all acked', () => owned.acked === 500);
    expect(seen).toHaveLength(500);
    expect(seen[7]).toEqual({
      id: 'message:7',
      topic: 'orders',
      shard: 0,
      offset: 7,
      attempt: 1,
      bornAt: '1970-01-01T00:00:00.000Z',
      storedAt: '1970-01-01T00:00:00.000Z',
      body: { n: 7 },
    });
    expect(await engine.open('orders', 'mail').missing(['message:7:0:1'])).toEqual(['message:7:0:1']);
  });

  it('nacks with what the handler threw, and the next attempt is another job', async () => {
    work((message) => {
      if (message.attempt === 1) throw new Error('no stock');
    });
    await bridge().start();
    owned.add(1);
    await until('acked', () => owned.acked === 1);
    expect(owned.settled).toEqual([
      { offset: 0, attempt: 1, result: { kind: 'nack', error: 'no stock' } },
      { offset: 0, attempt: 2, result: { kind: 'ack' } },
    ]);
  });

  it('reads from what a worker threw that no further try can help, or when it should come', async () => {
    const texts = ['halfbox-reject: not JSON', 'halfbox-retry 5000: rate limit', 'halfbox-retry 0', 'halfbox-rejected'];
    work((message) => {
      if (message.attempt === 1) throw new Error(texts[message.offset as number]);
    });
    await bridge().start();
    owned.add(texts.length);
    await until('all ended', () => owned.settled.length >= texts.length);
    const first = owned.settled.filter(({ attempt }) => attempt === 1).sort((a, b) => a.offset - b.offset);
    expect(first.map(({ result }) => result)).toEqual([
      { kind: 'reject', error: 'not JSON' },
      { kind: 'nack', error: 'rate limit', delayMs: 5_000 },
      { kind: 'nack', error: 'failed without a reason', delayMs: 0 },
      { kind: 'nack', error: 'halfbox-rejected' },
    ]);
  });

  it('keeps the engine within the window, in count and in characters', async () => {
    const slow = bridge({ windowMax: 40, takeMax: 100 });
    owned.add(1000);
    while (await slow.fill());
    expect(owned.given).toBe(40);

    const large = new FakeOwnedSubscription('large', clock, 0, () => JSON.stringify('x'.repeat(100_000)));
    const bounded = bridge({ windowMax: 1000, windowCharactersMax: 1_000_000, takeMax: 4 }, large);
    large.add(1000);
    while (await bounded.fill());
    expect(large.given).toBeGreaterThanOrEqual(7);
    expect(large.given).toBeLessThanOrEqual(14);
  });

  it('tries the same jobs again when the engine was away after they were given out', async () => {
    const quiet = bridge();
    await quiet.fill();
    owned.add(3);
    engine.answersLost = 1;
    await expect(quiet.fill()).rejects.toThrow('the answer was lost');
    engine.away = true;
    owned.add(2);
    await expect(quiet.fill()).rejects.toThrow('the engine is away');
    expect(owned.given).toBe(3);
    engine.away = false;
    await quiet.fill();
    let runs = 0;
    work(() => void runs++);
    await until('all have run', () => runs === 5);
    await quiet.settleEnded();
    expect(owned.acked).toBe(5);
    expect(runs).toBe(5);
    expect(counts).toEqual(noCounts);
  });

  it('does not enqueue again what was settled although the answer to enqueueing was lost', async () => {
    let runs = 0;
    work(() => void runs++);
    const quiet = bridge();
    await quiet.fill();
    owned.add(1);
    engine.answersLost = 1;
    await expect(quiet.fill()).rejects.toThrow('the answer was lost');
    await until('it has run', () => runs === 1);
    await quiet.settleEnded();
    expect(owned.acked).toBe(1);
    await quiet.fill();
    await quiet.settleEnded();
    expect(runs).toBe(1);
  });

  it('removes nothing whose outcome is not stored, and settles it when the store is back', async () => {
    let runs = 0;
    work(() => void runs++);
    const quiet = bridge();
    owned.add(2);
    await quiet.fill();
    await until('both have run', () => runs === 2);
    owned.away = true;
    await expect(quiet.settleEnded()).rejects.toThrow('the store is away');
    expect(await engine.open('orders', 'mail').drain(10)).toHaveLength(2);
    owned.away = false;
    await quiet.settleEnded();
    expect(owned.acked).toBe(2);
    expect(await engine.open('orders', 'mail').drain(10)).toEqual([]);
  });

  it('does not settle twice when the engine was away before the jobs were removed', async () => {
    let runs = 0;
    work(() => void runs++);
    const quiet = bridge();
    owned.add(2);
    await quiet.fill();
    await until('both have run', () => runs === 2);
    const settle = owned.settle.bind(owned);
    owned.settle = (outcomes) => {
      engine.away = true;
      return settle(outcomes);
    };
    await expect(quiet.settleEnded()).rejects.toThrow('the engine is away');
    engine.away = false;
    await quiet.settleEnded();
    expect(owned.settled).toHaveLength(2);
    expect(counts.ignored).toBe(0);
    expect(await engine.open('orders', 'mail').drain(10)).toEqual([]);
  });

  it('tries anew, as the next attempt, what the engine has lost', async () => {
    const quiet = bridge();
    owned.add(3);
    await quiet.fill();
    await engine.open('orders', 'mail').obliterate();
    await quiet.reconcile();
    expect(counts.engineLost).toBe(3);
    expect(owned.settled.map(({ result }) => result)).toEqual(
      Array.from({ length: 3 }, () => ({ kind: 'nack', error: 'engine-lost', delayMs: 0 })),
    );
    const attempts: unknown[] = [];
    work((message) => void attempts.push(message.attempt));
    await quiet.fill();
    await until('all have run', () => attempts.length === 3);
    await quiet.settleEnded();
    expect(attempts).toEqual([2, 2, 2]);
    expect(owned.acked).toBe(3);
  });

  it('goes on where an earlier owner was killed: ended, running and lost tries', async () => {
    const first = bridge();
    await first.fill();
    owned.add(3);
    engine.answersLost = 1;
    await expect(first.fill()).rejects.toThrow();
    const queue = engine.open('orders', 'mail');
    await queue.retainWaiting(['message:0:0:1', 'message:1:0:1']);
    let ended = 0;
    work(async (message) => {
      if (message.offset !== 0) await never;
      ended++;
    });
    await until('the first has ended', () => ended === 1);

    const successor = owned.takenOver();
    const second = bridge({}, successor);
    await second.fill();
    await second.settleEnded();
    expect(successor.settled).toEqual([
      { offset: 2, attempt: 1, result: { kind: 'nack', error: 'engine-lost', delayMs: 0 } },
      { offset: 0, attempt: 1, result: { kind: 'ack' } },
    ]);
    expect(successor.entries.map(({ state, attempt }) => [state, attempt])).toEqual([
      ['acked', 1],
      ['given', 1],
      ['given', 2],
    ]);
  });

  it('ignores, counts and removes outcomes of an older generation, and clears its waiting jobs away', async () => {
    const first = bridge();
    owned.add(20);
    await first.fill();
    const started: unknown[] = [];
    let open = (): void => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    work(async (message) => {
      started.push(message.id);
      await opened;
    });
    const after = owned.takenOver(1);
    for (const entry of after.entries) Object.assign(entry, { state: 'acked', inherited: false });
    const second = bridge({}, after);
    await second.start();
    await until('the waiting ones are cleared away', () => counts.ignored === 10);
    open();
    await until('the running ones have ended', () => counts.ignored === 20);
    expect(started).toHaveLength(10);
    expect(after.settled).toEqual([]);
    expect(await engine.open('orders', 'mail').drain(10)).toEqual([]);
  });

  it('is not answered by an ended job of a subscription that had the same name', async () => {
    let runs = 0;
    work(() => void runs++);
    await engine.open('orders', 'mail').enqueue([{ id: 'message:0:0:1', json: '{}' }]);
    await until('the old one has run', () => runs === 1);
    await bridge().start();
    owned.add(1);
    await until('acked', () => owned.acked === 1);
    expect(runs).toBe(2);
    expect(counts.ignored).toBe(1);
  });

  it('keeps claims alive as long as the engine knows the job, and only when they are half over', async () => {
    const quiet = bridge({ claimMs: 1000 });
    owned.add(2);
    await quiet.fill();
    await quiet.reconcile();
    expect(owned.extended).toBe(0);
    nowMs += 501;
    await quiet.reconcile();
    await quiet.reconcile();
    expect(owned.extended).toBe(2);
    expect(owned.entries.map(({ claimedUntil }) => claimedUntil)).toEqual([nowMs + 1000, nowMs + 1000]);
  });

  it('pauses and resumes the queue with the subscription', async () => {
    let runs = 0;
    const quiet = bridge();
    owned.add(5);
    await quiet.fill();
    owned.paused = true;
    await quiet.fill();
    work(() => void runs++);
    expect(await engine.open('orders', 'mail').drain(10)).toEqual([]);
    expect(runs).toBe(0);
    owned.paused = false;
    await quiet.fill();
    await until('all have run', () => runs === 5);
  });

  it('settles what has ended when it is stopped, and leaves the rest to its successor', async () => {
    let ended = 0;
    work(async (message) => {
      if (message.offset === 1) await never;
      ended++;
    });
    const started = bridge({ pollMs: 60_000, lingerMs: 60_000 });
    owned.add(2);
    await started.fill();
    await until('one has ended', () => ended === 1);
    await started.stop();
    expect(owned.settled).toEqual([{ offset: 0, attempt: 1, result: { kind: 'ack' } }]);
    expect(await engine.open('orders', 'mail').missing(['message:1:0:1'])).toEqual([]);
    owned.add(1);
    await new Promise(setImmediate);
    expect(owned.given).toBe(1);
  });

  it('gives the engine nothing, and removes nothing from it, once its subscription may be another owner’s', async () => {
    const started = bridge({ pollMs: 60_000, lingerMs: 60_000 });
    await started.fill();
    owned.add(1);
    engine.away = true;
    await expect(started.fill()).rejects.toThrow();
    engine.away = false;
    owned.holds = false;
    await engine.open('orders', 'mail').enqueue([{ id: 'other:0:1', json: '{}' }]);
    let ended = 0;
    work(() => void (ended += 1));
    await until('the job of the other owner has ended', () => ended === 1);
    await started.stop();
    expect(ended).toBe(1);
    expect(await engine.open('orders', 'mail').missing(['other:0:1'])).toEqual([]);
  });

  it('starts while the engine is away, and stops while engine and store are away', async () => {
    engine.away = true;
    const started = bridge({ retryMsMax: 5 });
    await started.start();
    owned.add(10);
    work(() => {});
    engine.away = false;
    await until('all acked', () => owned.acked === 10);
    engine.away = true;
    owned.away = true;
    owned.add(10);
    await expect(started.stop()).resolves.toBeUndefined();
    engine.away = false;
  });
});
