import { until } from '../queue/until.js';
import { Bridging } from './bridging.js';
import { FakeOwnedSubscription } from './fake-owned-subscription.js';

describe('queue bridge', () => {
  let bridging: Bridging;
  beforeEach(() => {
    bridging = new Bridging();
  });
  afterEach(() => bridging.stop());

  it('carries every message to the workers and settles what they return', async () => {
    const seen: unknown[] = [];
    bridging.work((message) => void seen.push(message));
    await bridging.bridge({ windowMax: 20 }).start();
    bridging.owned.add(500);
    await until('all acked', () => bridging.owned.acked === 500);
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
    expect(await bridging.queue().missing(['message:7:0:1'])).toEqual(['message:7:0:1']);
  });

  it('nacks with what the handler threw, and the next attempt is another job', async () => {
    bridging.work((message) => {
      if (message.attempt === 1) throw new Error('no stock');
    });
    await bridging.bridge().start();
    bridging.owned.add(1);
    await until('acked', () => bridging.owned.acked === 1);
    expect(bridging.owned.settled).toEqual([
      { offset: 0, attempt: 1, result: { kind: 'nack', error: 'no stock' } },
      { offset: 0, attempt: 2, result: { kind: 'ack' } },
    ]);
  });

  it('reads from what a worker threw that no further try can help, or when it should come', async () => {
    const texts = ['halfbox-reject: not JSON', 'halfbox-retry 5000: rate limit', 'halfbox-retry 0', 'halfbox-rejected'];
    bridging.work((message) => {
      if (message.attempt === 1) throw new Error(texts[message.offset as number]);
    });
    await bridging.bridge().start();
    bridging.owned.add(texts.length);
    await until('all ended', () => bridging.owned.settled.length >= texts.length);
    const first = bridging.owned.settled.filter(({ attempt }) => attempt === 1).sort((a, b) => a.offset - b.offset);
    expect(first.map(({ result }) => result)).toEqual([
      { kind: 'reject', error: 'not JSON' },
      { kind: 'nack', error: 'rate limit', delayMs: 5_000 },
      { kind: 'nack', error: 'failed without a reason', delayMs: 0 },
      { kind: 'nack', error: 'halfbox-rejected' },
    ]);
  });

  it('keeps the engine within the window, in count and in characters', async () => {
    const slow = bridging.bridge({ windowMax: 40, takeMax: 100 });
    bridging.owned.add(1000);
    while (await slow.fill());
    expect(bridging.owned.given).toBe(40);

    const large = new FakeOwnedSubscription('large', bridging.clock, 0, () => JSON.stringify('x'.repeat(100_000)));
    const bounded = bridging.bridge({ windowMax: 1000, windowCharactersMax: 1_000_000, takeMax: 4 }, large);
    large.add(1000);
    while (await bounded.fill());
    expect(large.given).toBeGreaterThanOrEqual(7);
    expect(large.given).toBeLessThanOrEqual(14);
  });

  it('keeps claims alive as long as the engine knows the job, and only when they are half over', async () => {
    const quiet = bridging.bridge({ claimMs: 1000 });
    bridging.owned.add(2);
    await quiet.fill();
    await quiet.reconcile();
    expect(bridging.owned.extended).toBe(0);
    bridging.nowMs += 501;
    await quiet.reconcile();
    await quiet.reconcile();
    expect(bridging.owned.extended).toBe(2);
    expect(bridging.owned.entries.map(({ claimedUntil }) => claimedUntil)).toEqual([
      bridging.nowMs + 1000,
      bridging.nowMs + 1000,
    ]);
  });

  it('pauses and resumes the queue with the subscription', async () => {
    let runs = 0;
    const quiet = bridging.bridge();
    bridging.owned.add(5);
    await quiet.fill();
    bridging.owned.paused = true;
    await quiet.fill();
    bridging.work(() => void runs++);
    expect(await bridging.queue().drain(10)).toEqual([]);
    expect(runs).toBe(0);
    bridging.owned.paused = false;
    await quiet.fill();
    await until('all have run', () => runs === 5);
  });
});
