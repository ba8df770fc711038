import { BullConnections, BullConsumer, Reject, Retry } from '../../../src/client/index.js';
import { until } from '../../queue/until.js';
import { BullConsuming } from './bull-consuming.js';
import { Gate } from './consuming.js';

describe('BullConsumer', () => {
  let consuming: BullConsuming;
  beforeAll(async () => {
    consuming = await BullConsuming.start();
  });
  afterEach(() => consuming.reset());
  afterAll(() => consuming.stop());

  it('start fails where Redis does not answer', async () => {
    const nowhere = consuming.started({
      topic: consuming.topic(),
      redis: 'redis://127.0.0.1:9',
      startMs: 300,
      handler: () => 1,
    });
    await expect(nowhere).rejects.toThrow('Redis did not answer');
  });

  it('acknowledges what its handler returned from, with the context of the message', async () => {
    const topic = consuming.topic();
    const seen: unknown[] = [];
    await consuming.started<{ n: number }>({
      topic,
      handler: async ({ body }, context) => {
        await context.extend(60_000);
        seen.push([body.n, context.attempt, context.group, context.topic, context.headers, context.signal.aborted]);
      },
    });
    const { messages } = await consuming.client.send([{ topic, body: { n: 1 }, headers: { trace: 'x' } }]);
    await consuming.untilAcked(messages[0]!.id);
    expect(seen).toEqual([[1, 1, 'g', topic, { trace: 'x' }, false]]);
    expect((await consuming.broker.get(`/v1/subscriptions/${topic}/g`)).body.mode).toBe('queue');
  });

  it('retries what throws, by the policy or as Retry says; Reject goes to the dead letters', async () => {
    const topic = consuming.topic();
    const attempts: Record<string, number[]> = { throws: [], retry: [], reject: [] };
    await consuming.started<string>({
      topic,
      subscription: { retry: { levelsMs: [0, 3_600_000] } },
      handler: ({ body }, { attempt }) => {
        attempts[body]!.push(attempt);
        if (body === 'reject') throw new Reject('never valid');
        if (body === 'throws') throw new Error('no stock');
        if (attempt <= 2) throw new Retry({ afterMs: 0, reason: 'soon' });
      },
    });
    const [throws, retry, reject] = await consuming.send(topic, 'throws', 'retry', 'reject');
    await consuming.untilAcked(retry!);
    const waits = await until('waits', async () => {
      const state = await consuming.stateOf(throws!);
      return state.attempt === 2 && state.state === 'retry' && state;
    });
    expect(waits.error).toBe('no stock');
    const [dead] = await until('dead', async () => {
      const items = await consuming.deadLetters(topic);
      return items.length > 0 && items;
    });
    expect(dead).toMatchObject({ messageId: reject, attempts: 1, error: 'never valid' });
    expect(attempts).toEqual({ throws: [1, 2], retry: [1, 2, 3], reject: [1] });
    expect(consuming.errors.map(({ error }) => error.message)).toEqual(['no stock', 'no stock']);
  });

  it('runs no more handlers at once than it may; ordered handles one at a time', async () => {
    for (const [options, most] of [
      [{ concurrency: 3 }, 3],
      [{ ordered: true }, 1],
    ] as const) {
      const topic = consuming.topic();
      const gate = new Gate();
      let running = 0;
      let peak = 0;
      let ended = 0;
      await consuming.started({
        topic,
        ...options,
        handler: async () => {
          peak = Math.max(peak, (running += 1));
          await gate.opened;
          running -= 1;
          ended += 1;
        },
      });
      await consuming.send(topic, ...Array.from({ length: 30 }, (_, n) => n));
      await until('all it may', () => running === most);
      gate.open();
      await until('all ended', () => ended === 30);
      expect(peak).toBe(most);
    }
  });

  it('broadcasting: each has a subscription of its own', async () => {
    const topic = consuming.topic();
    const seen: unknown[][] = [[], []];
    const both = await Promise.all(
      seen.map((own) =>
        consuming.started({
          topic,
          broadcasting: { expiresAfterIdleMs: 60_000 },
          handler: ({ body }) => own.push(body),
        }),
      ),
    );
    await consuming.send(topic, 'all');
    await until('both', () => seen.every((own) => own.length === 1));
    const { body } = await consuming.broker.get(`/v1/subscriptions/${topic}/${both[0]!.group}`);
    expect(body).toMatchObject({ mode: 'queue', expiresAfterIdleMs: 60_000 });
    expect(
      () => new BullConsumer({ redis: consuming.redis.url, topic, group: 'g', broadcasting: true, handler: () => 1 }),
    ).toThrow('takes a client');
  });

  it('many share two connections, and each has one to block on; none is left open', async () => {
    const before = await consuming.redis.connections();
    const connections = new BullConnections(consuming.redis.url);
    const some = await Promise.all(
      Array.from({ length: 5 }, () =>
        consuming.started({ redis: connections, topic: consuming.topic(), handler: () => undefined }),
      ),
    );
    expect((await consuming.redis.connections()) - before).toBe(2 + 5);
    await Promise.all(some.map((consumer) => consumer.stop()));
    await until('all closed', async () => (await consuming.redis.connections()) === before);
  });

  it('a stop finishes what runs, and leaves the rest to others', async () => {
    const topic = consuming.topic();
    const gate = new Gate();
    const begun: string[] = [];
    const consumer = await consuming.started({
      topic,
      concurrency: 1,
      handler: async ({ id }) => {
        begun.push(id);
        await gate.opened;
      },
    });
    const ids = await consuming.send(topic, 1, 2, 3);
    await until('one runs', () => consumer.runningCount === 1);
    const stopped = consumer.stop();
    const others: [string, number][] = [];
    await consuming.started({ topic, handler: ({ id }, { attempt }) => others.push([id, attempt]) });
    await until('the other took the rest', () => others.length === 2);
    gate.open();
    await stopped;
    for (const id of ids) await consuming.untilAcked(id);
    expect(begun).toHaveLength(1);
    expect(others.map(([, attempt]) => attempt)).toEqual([1, 1]);
    expect([...begun, ...others.map(([id]) => id)].sort()).toEqual([...ids].sort());
  });

  it('a stop while it starts leaves no worker behind', async () => {
    const topic = consuming.topic();
    const before = await consuming.redis.connections();
    await consuming.client.putSubscription(topic, 'g', { mode: 'queue' });
    const consumer = new BullConsumer({ redis: consuming.redis.url, topic, group: 'g', handler: () => 'stopped' });
    const starting = consumer.start();
    await consumer.stop();
    await starting;
    const seen: string[] = [];
    const other = await consuming.started({ topic, handler: ({ id }) => seen.push(id) });
    const ids = await consuming.send(topic, ...Array.from({ length: 10 }, (_, n) => n));
    for (const id of ids) await consuming.untilAcked(id);
    expect([...seen].sort()).toEqual([...ids].sort());
    await other.stop();
    await until('all closed', async () => (await consuming.redis.connections()) === before);
  });

  it('an error’s text does not decide what becomes of a message', async () => {
    const topic = consuming.topic();
    await consuming.started<string>({
      topic,
      subscription: { retry: { fixedMs: 3_600_000 } },
      handler: ({ body }) => {
        throw body.startsWith('asked ') ? new Retry({ reason: body.slice(6) }) : new Error(body);
      },
    });
    const texts = ['halfbox-reject: x', 'halfbox-retry 31536000000: x', 'asked halfbox-reject: x', 'halfbox-reject'];
    for (const id of await consuming.send(topic, ...texts)) {
      const state = await until('failed', async () => {
        const found = await consuming.stateOf(id);
        return ['retry', 'dead'].includes(found.state) && found;
      });
      expect(state).toMatchObject({ state: 'retry', error: expect.stringMatching(/^failed: halfbox-re/) });
      expect(Date.parse(state.dueAt!) - Date.now()).toBeLessThan(3_700_000);
    }
  });

  it('a stop does not wait for ever: the handler is told', async () => {
    const topic = consuming.topic();
    const reasons: unknown[] = [];
    const consumer = await consuming.started({
      topic,
      stopMs: 20,
      handler: async (_message, { signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason));
        await new Promise(() => undefined);
      },
    });
    const [id] = await consuming.send(topic, 1);
    await until('runs', () => consumer.runningCount === 1);
    await consumer.stop();
    expect(reasons).toEqual([expect.objectContaining({ code: 'consumer-stopped', messageId: id })]);
  });

  it('goes on when Redis was away, wiped too, and says so once', async () => {
    const topic = consuming.topic();
    const seen: unknown[] = [];
    let recovered = 0;
    await consuming.started({
      topic,
      handler: ({ body }) => seen.push(body),
      onRecovered: () => (recovered += 1),
    });
    await consuming.send(topic, 'before');
    await until('seen', () => seen.includes('before'));
    await consuming.redis.kill();
    await until('told', () => consuming.errors.length > 0);
    await consuming.redis.restart();
    await consuming.send(topic, 'after');
    await until('seen again', () => seen.includes('after'));
    await until('recovered', () => recovered === 1);
    expect(consuming.errors.map(({ during }) => during)).toEqual(['queue']);
  });
});
