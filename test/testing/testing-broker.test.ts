import { existsSync } from 'node:fs';
import { Consumer } from '../../src/client/consume/consumer.js';
import type { ConsumerOptions } from '../../src/client/consume/consumer-options.js';
import { HalfboxTestingBroker, NotSettled, type TestingOptions } from '../../src/testing/index.js';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

interface Topics {
  orders: { order: number };
  [other: string]: unknown;
}

describe('the testing broker', () => {
  let broker: HalfboxTestingBroker<Topics>;
  let consumers: Consumer<Topics['orders']>[];

  const start = async (options: TestingOptions<Topics> = {}): Promise<void> => {
    broker = new HalfboxTestingBroker(options);
    await broker.start();
  };
  const consume = async (
    handler: ConsumerOptions<Topics['orders']>['handler'],
    options: Partial<ConsumerOptions<Topics['orders']>> = {},
  ): Promise<void> => {
    const { client } = broker;
    const consumer = new Consumer({ client, topic: 'orders', group: 'billing', handler, ...options });
    consumers.push(consumer);
    await consumer.start();
  };

  beforeEach(() => {
    consumers = [];
  });
  afterEach(async () => {
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    await broker.stop();
  });

  test('settled: every message that was sent, also those that handlers sent in turn', async () => {
    await start();
    const seen: number[] = [];
    await consume(async ({ body: { order } }) => {
      seen.push(order);
      if (order < 50) await broker.send({ topic: 'orders', body: { order: order + 10 } });
    });
    void broker.send(Array.from({ length: 10 }, (_, order) => ({ topic: 'orders' as const, body: { order } })));
    await broker.settled();
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, order) => order));
    expect((await broker.messages('orders')).map(({ body }) => (body as { order: number }).order)).toHaveLength(60);
  });

  test('settled: what waits for a time does not hold it up; what is with a consumer does, and is named', async () => {
    await start();
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    await consume(({ body }) => (body.order === 1 ? held : Promise.resolve()));
    await broker.client.putSubscription('orders', 'nobody', { mode: 'pull' });
    await broker.client.prepare({ id: 'tx', producer: 'shop', messages: [{ topic: 'orders', body: { order: 3 } }] });
    await broker.send({ topic: 'orders', body: { order: 2 }, delayMs: 1_000 });
    await broker.settled();
    await broker.send({ topic: 'orders', body: { order: 1 } });
    const failed = await broker.settled({ timeoutMs: 300 }).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(NotSettled);
    expect((failed as NotSettled).waitingFor).toEqual([
      'orders/billing: 1 messages are with a consumer',
      'orders/nobody: 1 messages wait for a consumer',
    ]);
    release();
    await broker.client
      .receive('orders', 'nobody')
      .then(({ deliveries: [delivery] }) => broker.client.ack('orders', 'nobody', { receipts: [delivery!.receipt] }));
    await broker.settled();
  });

  test('a paused subscription waits for nobody', async () => {
    await start();
    await broker.client.putSubscription('orders', 'billing', { mode: 'pull' });
    const pause = { method: 'POST', path: '/v1/subscriptions/orders/billing/pause', timeoutMs: 5_000 } as const;
    expect((await broker.caller.call(pause)).status).toBe(200);
    await broker.send({ topic: 'orders', body: { order: 1 } });
    await broker.settled();
  });

  test('time stands still until it is moved, and delayed messages come at their time', async () => {
    await start({ now: Date.UTC(2030, 0, 1) });
    const seen: [number, string][] = [];
    await consume(async ({ body, storedAt }) => void seen.push([body.order, storedAt]));
    await broker.send({ topic: 'orders', body: { order: 1 }, delayMs: 60_000 });
    await broker.send({ topic: 'orders', body: { order: 2 }, deliverAt: '2030-06-01T00:00:00.000Z' });
    await broker.clock.advance(59_999);
    expect(seen).toEqual([]);
    await broker.clock.advance(1);
    expect(seen).toEqual([[1, '2030-01-01T00:00:00.000Z']]);
    await broker.clock.set(new Date('2030-06-01T00:00:00Z'));
    expect(seen.map(([order]) => order)).toEqual([1, 2]);
    expect(new Date(broker.clock.now()).toISOString()).toBe('2030-06-01T00:00:00.000Z');
    await expect(broker.clock.advance(-1)).rejects.toThrow(RangeError);
    await expect(broker.clock.set(0)).rejects.toThrow(RangeError);
  });

  test('retries come at their times, to the dead letter', async () => {
    await start();
    const attempts: [attempt: number, afterMs: number][] = [];
    const startedAt = broker.clock.now();
    await consume(
      async (_message, { attempt }) => {
        attempts.push([attempt, broker.clock.now() - startedAt]);
        throw new Error('no stock');
      },
      { subscription: { maxAttempts: 4 } },
    );
    await broker.send({ topic: 'orders', body: { order: 1 } });
    await broker.settled();
    await broker.clock.advance(hourMs);
    expect(attempts).toEqual([
      [1, 0],
      [2, 10_000],
      [3, 40_000],
      [4, 100_000],
    ]);
    expect(await broker.deadLetters('orders')).toMatchObject([{ group: 'billing', attempts: 4, error: 'no stock' }]);
  });

  test('silent transactions are asked about at their times, and followed or parked', async () => {
    await start({ checkAgeMaxMs: hourMs });
    await consume(async () => {});
    const asked: [string, number][] = [];
    const startedAt = broker.clock.now();
    broker.node.broker.answerers.register('shop', 'this', {
      answer: async ({ transactionId }) => {
        asked.push([transactionId, broker.clock.now() - startedAt]);
        return transactionId === 'commit' ? 'commit' : 'unknown';
      },
    });
    const messages = [{ topic: 'orders', body: { order: 1 } }];
    for (const id of ['commit', 'unknown']) await broker.client.prepare({ id, producer: 'shop', messages });
    await broker.client.prepare({ id: 'nobody', producer: 'gone', messages });
    await broker.clock.advance(5_999);
    expect(asked).toEqual([]);
    await broker.clock.advance(1);
    expect(asked.map(([id]) => id).sort()).toEqual(['commit', 'unknown']);
    expect((await broker.client.transaction('commit')).state).toBe('committed');
    await broker.settled();
    await broker.clock.advance(10 * 60_000);
    expect(asked.filter(([id]) => id === 'unknown').map(([, at]) => at)).toEqual(
      Array.from({ length: 15 }, (_, index) => 6_000 + index * 30_000),
    );
    expect((await broker.client.transaction('unknown')).state).toBe('parked');
    // Nobody ever answers for it: parked by its age.
    await broker.clock.advance(hourMs);
    expect((await broker.client.transaction('nobody')).state).toBe('parked');
  });

  test('retention follows the moved time', async () => {
    await start();
    await broker.client.prepare({ id: 'tx', producer: 'shop', messages: [{ topic: 'orders', body: { order: 1 } }] });
    await broker.client.rollback('tx');
    await broker.clock.advance(3 * dayMs - 1);
    expect((await broker.client.transaction('tx')).state).toBe('rolled_back');
    await broker.clock.advance(1);
    await expect(broker.client.transaction('tx')).rejects.toMatchObject({ code: 'transaction-not-found' });
  });

  test('a consumer that is busy, or away, does not hold the clock up', async () => {
    await start();
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const attempts: number[] = [];
    await consume((_message, { attempt }) => {
      attempts.push(attempt);
      return attempt === 1 ? held : Promise.resolve();
    });
    await broker.client.putSubscription('orders', 'nobody', { mode: 'pull' });
    await broker.send({ topic: 'orders', body: { order: 1 } });
    await broker.clock.advance(30_000);
    // Its visibility has ended, so it was delivered again.
    expect(attempts).toEqual([1, 2]);
    release();
  });

  test('an ephemeral subscription that is consumed stays', async () => {
    await start();
    const seen: number[] = [];
    await consume(async ({ body }) => void seen.push(body.order), { broadcasting: true });
    await broker.clock.advance(hourMs);
    await broker.send({ topic: 'orders', body: { order: 1 } });
    await broker.settled();
    expect(seen).toEqual([1]);
  });

  test('its data is gone when it stops', async () => {
    await start();
    const path = broker.node.storeDescription.replace(/^.* at /, '');
    expect(existsSync(path)).toBe(true);
    await broker.stop();
    expect(existsSync(path)).toBe(false);
  });
});
