import { Reject, Retry, type Consumer, type DeliveryContext } from '../../../src/client/index.js';
import { until } from '../../queue/until.js';
import { Consuming, Gate } from './consuming.js';

interface Order {
  id: number;
  item: string;
}

describe('Consumer', () => {
  let consuming: Consuming;
  beforeAll(async () => {
    consuming = await Consuming.start();
  });
  afterEach(() => consuming.reset());
  afterAll(() => consuming.stop());

  it('gives a typed message with its context, and acknowledges it when the handler returns', async () => {
    const topic = consuming.topic();
    const seen: { order: Order; context: Partial<DeliveryContext> }[] = [];
    const consumer = await consuming.started<Order>({
      topic,
      handler: async ({ body }, context) => {
        const { attempt, headers, key, tag, orderingKey, transactionId, group, shard, offset, bornAt } = context;
        const picked = { attempt, headers, key, tag, orderingKey, transactionId, group, shard, offset, bornAt };
        seen.push({ order: { id: body.id, item: body.item }, context: { ...picked, topic: context.topic } });
        expect(context.signal.aborted).toBe(false);
        await context.extend(60_000);
      },
    });
    const { id } = await consuming.client.prepare({
      id: `${topic}-tx`,
      producer: 'shop',
      messages: [
        {
          topic,
          key: '17',
          tag: 'paid',
          orderingKey: 'o',
          headers: { trace: 'abc' },
          body: { id: 17, item: 'tea' },
        },
      ],
    });
    const { messages } = await consuming.client.commit(id);
    await consuming.untilAcked(messages[0]!.id);
    const { shard, offset } = messages[0]!;
    const place = { topic, group: 'g', shard, offset, transactionId: id };
    const sent = { key: '17', tag: 'paid', orderingKey: 'o', headers: { trace: 'abc' } };
    expect(seen).toEqual([
      {
        order: { id: 17, item: 'tea' },
        context: { ...place, ...sent, attempt: 1, bornAt: expect.stringMatching(/^\d{4}-.*Z$/) as string },
      },
    ]);
    await until('counted', () => consumer.counts.acked === 1);
    expect(consumer.counts).toMatchObject({ received: 1, acked: 1, nacked: 0, lost: 0, running: 0, untold: 0 });
  });

  it('a handler that throws is tried again, with its error kept', async () => {
    const topic = consuming.topic();
    const attempts: number[] = [];
    await consuming.started({
      topic,
      subscription: { retry: { levelsMs: [0, 3_600_000] } },
      handler: (_message, { attempt }) => {
        attempts.push(attempt);
        throw new Error(`no stock \ud800 ${'x'.repeat(2_000)}`);
      },
    });
    const [id] = await consuming.send(topic, 1);
    const state = await until('failed twice', async () => {
      const found = await consuming.stateOf(id!);
      return found.attempt === 2 && found.state === 'retry' && found;
    });
    expect(attempts).toEqual([1, 2]);
    expect(state.error).toMatch(/^no stock \ufffd x+$/);
    expect(state.error).toHaveLength(1_000);
    expect(consuming.errors.map(({ during, messageId }) => [during, messageId])).toEqual([
      ['handle', id],
      ['handle', id],
    ]);
  });

  it('Retry waits as long as it says, instead of the policy', async () => {
    const topic = consuming.topic();
    const attempts: number[] = [];
    const consumer = await consuming.started({
      topic,
      subscription: { retry: { fixedMs: 1_800_000 } },
      handler: (_message, { attempt }) => {
        attempts.push(attempt);
        if (attempt === 1) throw new Retry({ afterMs: 0 });
        if (attempt === 2) throw new Retry({ afterMs: 7_200_000, reason: 'the bank is closed' });
      },
    });
    const before = Date.now();
    const [id] = await consuming.send(topic, 1);
    await until('nacked twice', () => consumer.counts.nacked === 2);
    const { state, attempt, error, dueAt } = await consuming.stateOf(id!);
    expect([state, attempt, error]).toEqual(['retry', 2, 'the bank is closed']);
    expect(Date.parse(dueAt!) - before).toBeGreaterThanOrEqual(7_200_000 - 2_000);
    expect(consuming.errors).toEqual([]);
    expect(() => new Retry({ afterMs: -1 })).toThrow(RangeError);
  });

  it('Retry without a time follows the policy', async () => {
    const topic = consuming.topic();
    await consuming.started({
      topic,
      subscription: { retry: { fixedMs: 0 }, maxAttempts: 3 },
      handler: () => {
        throw new Retry({ reason: 'later' });
      },
    });
    await consuming.send(topic, 1);
    const [dead] = await until('dead', async () => {
      const found = await consuming.deadLetters(topic);
      return found.length > 0 && found;
    });
    expect(dead).toMatchObject({ attempts: 3, error: 'later' });
  });

  it('Reject goes straight to the dead letters, with its reason', async () => {
    const topic = consuming.topic();
    const consumer = await consuming.started({
      topic,
      handler: () => {
        throw new Reject('no such customer');
      },
    });
    const [id] = await consuming.send(topic, 1);
    await until('rejected', () => consumer.counts.rejected === 1);
    expect(await consuming.deadLetters(topic)).toMatchObject([
      { messageId: id, attempts: 1, error: 'no such customer' },
    ]);
    expect(consuming.errors).toEqual([]);
  });

  it('gets only what its filter lets through', async () => {
    const topic = consuming.topic();
    const seen: unknown[] = [];
    await consuming.started({ topic, subscription: { filter: 'a||b' }, handler: ({ body }) => seen.push(body) });
    await consuming.client.send(['c', 'a', 'c', 'b'].map((tag) => ({ topic, tag, body: tag })));
    await until('both', () => seen.length >= 2);
    const [last] = await consuming.client.send([{ topic, tag: 'a', body: 'last' }]).then(({ messages }) => messages);
    await consuming.untilAcked(last!.id);
    expect([...seen].sort()).toEqual(['a', 'b', 'last']);
  });

  it('runs as many handlers at once as it may, and never more', async () => {
    const topic = consuming.topic();
    let running = 0;
    let peak = 0;
    const gate = new Gate();
    const consumer = await consuming.started({
      topic,
      concurrency: 5,
      handler: async () => {
        running += 1;
        peak = Math.max(peak, running);
        await gate.opened;
        await new Promise(setImmediate);
        running -= 1;
      },
    });
    await consuming.send(topic, ...Array.from({ length: 300 }, (_, n) => n));
    await until('five run', () => running === 5);
    gate.open();
    await until('all acked', () => consumer.counts.acked === 300);
    expect(peak).toBe(5);
  });

  it('keeps the order of each key while others run beside it; ordered handles one at a time', async () => {
    for (const ordered of [false, true]) {
      const topic = consuming.topic();
      const seen: Record<string, number[]> = { a: [], b: [] };
      const busy = new Set<string>();
      let running = 0;
      let peak = 0;
      const consumer = await consuming.started<number>({
        topic,
        ordered,
        handler: async ({ body }, { orderingKey }) => {
          expect(busy.has(orderingKey!)).toBe(false);
          busy.add(orderingKey!);
          peak = Math.max(peak, (running += 1));
          await new Promise(setImmediate);
          seen[orderingKey!]!.push(body);
          busy.delete(orderingKey!);
          running -= 1;
        },
      });
      const numbers = Array.from({ length: 20 }, (_, n) => n);
      await consuming.client.send(
        numbers.flatMap((body) => ['a', 'b'].map((orderingKey) => ({ topic, orderingKey, body }))),
      );
      await until('all acked', () => consumer.counts.acked === 40);
      expect(seen).toEqual({ a: numbers, b: numbers });
      if (ordered) expect(peak).toBe(1);
    }
  });

  it('broadcasting: every consumer gets every message; its subscription goes when it has gone', async () => {
    const topic = consuming.topic();
    const seen: unknown[][] = [[], []];
    const consumers = await Promise.all(
      seen.map((own) =>
        consuming.started({
          topic,
          broadcasting: { expiresAfterIdleMs: 1_000 },
          waitMs: 500,
          handler: ({ body }) => own.push(body),
        }),
      ),
    );
    expect(consumers[0]!.group).not.toBe(consumers[1]!.group);
    await consuming.send(topic, 1, 2);
    await until('both have both', () => seen.every((own) => own.length === 2));
    await consumers[0]!.stop();
    const statusOf = async (consumer: Consumer) =>
      (await consuming.broker.get(`/v1/subscriptions/${topic}/${consumer.group}`)).status;
    await until('the first is gone', async () => (await statusOf(consumers[0]!)) === 404);
    expect(await statusOf(consumers[1]!)).toBe(200);
    await consuming.send(topic, 3);
    await until('the other goes on', () => seen[1]!.length === 3);
    expect(seen[0]).toHaveLength(2);
  });

  it('makes its subscription again when it has gone', async () => {
    const topic = consuming.topic();
    const seen: unknown[] = [];
    await consuming.started({ topic, waitMs: 100, handler: ({ body }) => seen.push(body) });
    await consuming.broker.remove(`/v1/subscriptions/${topic}/g?force=true`);
    await until('made again', async () => (await consuming.broker.get(`/v1/subscriptions/${topic}/g`)).status === 200);
    await consuming.send(topic, 'after');
    await until('seen', () => seen.includes('after'));
    expect(consuming.errors).toMatchObject([{ during: 'receive', error: { code: 'subscription-not-found' } }]);
  });

  it('start is refused where the broker refuses the subscription; a wrong option is named', async () => {
    const topic = consuming.topic();
    await consuming.broker.put(`/v1/subscriptions/${topic}/g`, { mode: 'queue' });
    await expect(consuming.started({ topic, handler: () => undefined })).rejects.toMatchObject({ status: 409 });
    const wrong = (options: object) => () => consuming.consumer({ topic, handler: () => undefined, ...options });
    expect(wrong({ visibilityMs: 10 })).toThrow('visibilityMs is 10');
    expect(wrong({ batchMax: 257 })).toThrow('batchMax is 257');
    expect(wrong({ concurrency: 0 })).toThrow('concurrency is 0');
    expect(wrong({ ordered: true, concurrency: 2 })).toThrow('excludes concurrency 2');
    expect(wrong({ broadcasting: true, subscription: false })).toThrow('excludes');
    expect(wrong({ broadcasting: true, group: 'g'.repeat(60) })).toThrow('too long');
    expect(wrong({ topic: 'a b' })).toThrow("'a b' is no topic");
  });
});
