import { HalfboxClient, HttpCaller, Producer } from '../../../src/client/index.js';
import { RunningBroker } from '../../api/running-broker.js';

interface Topics {
  orders: { order: number };
}

describe('Producer', () => {
  let broker: RunningBroker;
  let caller: HttpCaller;
  let client: HalfboxClient;
  let producer: Producer;

  beforeAll(async () => {
    broker = await RunningBroker.start();
    caller = new HttpCaller({ url: broker.url });
    client = new HalfboxClient(caller);
  });

  beforeEach(() => {
    producer = new Producer({ name: 'shop', caller });
  });

  afterEach(() => producer.close());

  afterAll(async () => {
    await caller.close();
    await broker.stop();
  });

  const bodiesOf = async (topic: string, count: number): Promise<unknown[]> => {
    const seen: unknown[] = [];
    while (seen.length < count) {
      const { deliveries } = await client.receive(topic, 'g', { max: 256, waitMs: 10_000 });
      if (deliveries.length === 0) throw new Error(`only ${seen.length} of ${count} messages came`);
      seen.push(...deliveries.map(({ message }) => message.body));
      await client.ack(topic, 'g', { receipts: deliveries.map(({ receipt }) => receipt) });
    }
    return seen;
  };

  it('refuses a name that the broker would refuse later', () => {
    for (const name of ['my shop', '', 'a.b', 'x'.repeat(65), undefined as unknown as string]) {
      expect(() => new Producer({ name, caller })).toThrow(/is no name of a producer/);
    }
  });

  it('answers where one message went, and where each of several went', async () => {
    const place = await producer.send({ topic: 'places', body: 1 });
    expect(place).toEqual({ id: expect.any(String), topic: 'places', shard: expect.any(Number), offset: 0 });
    const places = await producer.send([
      { topic: 'places', id: 'given', body: 2 },
      { topic: 'elsewhere', body: 3, delayMs: 60_000 },
    ]);
    expect(places).toEqual([
      { id: 'given', topic: 'places', shard: expect.any(Number), offset: expect.any(Number) },
      { id: expect.any(String), topic: 'elsewhere', deliverAt: expect.any(String) },
    ]);
    expect(await producer.send([])).toEqual([]);
  });

  it('gathers concurrent sends into few calls and keeps the order of an ordering key', async () => {
    const numbers = Array.from({ length: 2_500 }, (_, n) => n);
    const places = await Promise.all(
      numbers.map((n) => producer.send({ topic: 'gathered', orderingKey: 'one', body: n })),
    );
    expect(new Set(places.map(({ id, shard }) => `${id} ${shard}`)).size).toBe(2_500);
    expect(places.map(({ offset }) => offset)).toEqual(numbers);
    expect(producer.metrics().sends).toMatchObject({ done: 2_500, batches: 3, largestBatch: 1_000, waitingItems: 0 });
  });

  it('prepares, commits and rolls back, and each of many concurrent calls gets its own answer', async () => {
    await client.putSubscription('transactions', 'g', { mode: 'pull' });
    const prepared = await Promise.all(
      Array.from({ length: 300 }, (_, n) => producer.prepare({ topic: 'transactions', body: n })),
    );
    expect(prepared[7]).toMatchObject({ state: 'prepared', messages: [{ topic: 'transactions' }] });
    const ended = await Promise.allSettled([
      ...prepared.slice(0, 200).map(({ id }) => producer.commit(id)),
      ...prepared.slice(200).map(({ id }) => producer.rollback(id)),
      producer.commit('nobody'),
      producer.rollback(prepared[0]!.id),
    ]);
    expect(ended[0]).toMatchObject({ status: 'fulfilled', value: { id: prepared[0]!.id, state: 'committed' } });
    expect(ended[299]).toMatchObject({ status: 'fulfilled', value: { id: prepared[299]!.id, state: 'rolled_back' } });
    expect(ended[300]).toMatchObject({ status: 'rejected', reason: { code: 'transaction-not-found', status: 404 } });
    expect(ended[301]).toMatchObject({ status: 'rejected', reason: { code: 'transaction-already-committed' } });
    const seen = await bodiesOf('transactions', 200);
    expect([...seen].sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect(producer.metrics().transactions).toMatchObject({ done: 600, refused: 2, batches: 2 });
    expect(await client.transaction(prepared[0]!.id)).toMatchObject({ producer: 'shop', instance: producer.instance });
  });

  it('refuses only the bad ones of what it gathered, each with its own reason', async () => {
    await client.putSubscription('mixed', 'g', { mode: 'pull' });
    const sends = Array.from({ length: 40 }, (_, n) => producer.send({ topic: 'mixed', body: n }));
    const bad = [
      producer.send({ topic: 'no spaces', body: 1 }),
      producer.send([
        { topic: 'mixed', body: 'not stored either' },
        { topic: 'mixed', body: 1, key: '' },
      ]),
    ];
    const more = Array.from({ length: 40 }, (_, n) => producer.send({ topic: 'mixed', body: 40 + n }));
    await expect(bad[0]).rejects.toMatchObject({ code: 'validation-failed', fields: [{ path: 'messages.0.topic' }] });
    await expect(bad[1]).rejects.toMatchObject({ code: 'validation-failed', fields: [{ path: 'messages.1.key' }] });
    await Promise.all([...sends, ...more]);
    const seen = await bodiesOf('mixed', 80);
    expect([...seen].sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 80 }, (_, n) => n));
    expect(producer.metrics().sends).toMatchObject({ done: 80, refused: 3 });
  });

  it('sends at most 1,000 messages in one call, and what is larger harms nobody else', async () => {
    const beside = producer.send({ topic: 'large', body: 'beside' });
    const large = Array.from({ length: 1_000 }, (_, n) => ({ topic: 'large', body: n }));
    const [places, tooMany] = await Promise.allSettled([
      producer.send(large),
      producer.send([...large, { topic: 'large', body: 'one more' }]),
    ]);
    expect(places).toMatchObject({ status: 'fulfilled', value: { length: 1_000 } });
    expect(tooMany).toMatchObject({ status: 'rejected', reason: { code: 'validation-failed' } });
    expect((await beside).topic).toBe('large');
  });

  it('sends one way without ever throwing, and counts and tells what it drops', async () => {
    await client.putSubscription('oneway', 'g', { mode: 'pull' });
    const drops: string[] = [];
    const oneway = new Producer({
      name: 'shop',
      caller,
      onDrop: ({ reason, message }) => {
        drops.push(`${reason} ${message.topic}`);
        throw new Error('of no consequence');
      },
    });
    oneway.sendOneway({ topic: 'oneway', body: 'kept' });
    oneway.sendOneway({ topic: 'oneway', body: 1n });
    oneway.sendOneway({ topic: 'no spaces', body: 1 });
    expect(await bodiesOf('oneway', 1)).toEqual(['kept']);
    await oneway.close();
    oneway.sendOneway({ topic: 'oneway', body: 'too late' });
    expect(drops).toEqual(['not-serializable oneway', 'refused no spaces', 'closed oneway']);
    expect(oneway.dropped).toEqual({ 'buffer-full': 0, 'not-serializable': 1, refused: 1, failed: 0, closed: 1 });
  });

  it('flushes what waits when it is closed, and takes nothing more', async () => {
    await client.putSubscription('closing', 'g', { mode: 'pull' });
    const sends = Array.from({ length: 1_500 }, (_, n) => producer.send({ topic: 'closing', body: n }));
    await producer.close();
    expect(await Promise.all(sends)).toHaveLength(1_500);
    await expect(producer.send({ topic: 'closing', body: 1 })).rejects.toMatchObject({ code: 'producer-closed' });
    await expect(producer.prepare({ topic: 'closing', body: 1 })).rejects.toMatchObject({ code: 'producer-closed' });
  });

  it('rejects a body that is not JSON, and settings that cannot be meant', async () => {
    await expect(producer.send({ topic: 'orders', body: { n: 1n } })).rejects.toMatchObject({
      code: 'not-serializable',
    });
    await expect(producer.prepare({ topic: 'orders', body: 1n })).rejects.toMatchObject({ code: 'not-serializable' });
    expect(() => new Producer({ name: 'shop', caller, batchItemsMax: 1_001 })).toThrow('batchItemsMax is 1001');
    expect(() => new Producer({ name: 'shop', caller, retries: -1 })).toThrow(RangeError);
  });

  it('knows the bodies of its topics', async () => {
    const typed = new Producer<Topics>({ name: 'shop', caller });
    await typed.send({ topic: 'orders', key: '1', body: { order: 1 } });
    await typed.send([{ topic: 'orders', bodyBase64: 'AA==' }]);
    const wrong = () => {
      // @ts-expect-error the body of another topic
      void typed.send({ topic: 'orders', body: { invoice: 1 } });
      // @ts-expect-error a topic that is not of the map
      void typed.send({ topic: 'invoices', body: { order: 1 } });
      // @ts-expect-error a list with one wrong body
      void typed.send([
        { topic: 'orders', body: { order: 1 } },
        { topic: 'orders', body: { order: '1' } },
      ]);
      // @ts-expect-error no body
      typed.sendOneway({ topic: 'orders' });
      // @ts-expect-error a half message with a wrong body
      void typed.prepare({ topic: 'orders', body: 1 });
      // @ts-expect-error a message that is added inside
      void typed.transaction(async (transaction) => transaction.send({ topic: 'orders', body: 1 }));
    };
    expect(wrong).toBeInstanceOf(Function);
    await typed.close();
  });
});
