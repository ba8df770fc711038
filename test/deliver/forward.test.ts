import { forwardCopy, copyId } from '../../src/deliver/forward-copy.js';
import { ForwardConsumer, type ForwardParts } from '../../src/deliver/forward.js';
import { forwardLoop, type ForwardEdge } from '../../src/deliver/forward-loop.js';
import type { NewMessage } from '../../src/message/message.js';
import { Problem } from '../../src/message/problem.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { HandedSubscription, subscriptionConfig, until } from './handed-subscription.js';

describe('forwardCopy', () => {
  const message = {
    id: 'm-1',
    topic: 'orders',
    key: 'k',
    tag: 't',
    orderingKey: 'o',
    headers: { a: 'b' },
    contentType: 'text/plain',
    delayMs: 5,
    transactionId: 'tx',
    storedAt: 0,
    body: { bytes: Buffer.from('x') },
  };

  it('keeps the content and names its origin, but does not wait again', () => {
    expect(forwardCopy('orders', 'roomy', message, 'archive')).toEqual({
      id: copyId('orders', 'roomy', 'm-1'),
      topic: 'archive',
      key: 'k',
      tag: 't',
      orderingKey: 'o',
      headers: { a: 'b', 'halfbox-origin-id': 'm-1', 'halfbox-hops': '1' },
      contentType: 'text/plain',
      body: message.body,
    });
  });

  it('has an id that depends on the subscription and the message only', () => {
    expect(copyId('orders', 'roomy', 'm-1')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-/);
    expect(copyId('orders', 'roomy', 'm-1')).toBe(copyId('orders', 'roomy', 'm-1'));
    const others = [
      copyId('orders', 'other', 'm-1'),
      copyId('other', 'roomy', 'm-1'),
      copyId('orders', 'roomy', 'm-2'),
    ];
    expect(new Set([...others, copyId('orders', 'roomy', 'm-1')]).size).toBe(4);
  });
});

describe('forwardLoop', () => {
  const edge = (topic: string, target: string, group = 'g'): ForwardEdge => ({ topic, group, target });

  it('finds none in a chain or a fan', () => {
    expect(forwardLoop(edge('a', 'b'), [edge('b', 'c'), edge('c', 'd'), edge('x', 'a')])).toBeNull();
    expect(forwardLoop(edge('a', 'b'), [edge('a', 'c', 'h'), edge('c', 'b')])).toBeNull();
  });

  it('finds the topic itself, the way back and longer ways', () => {
    expect(forwardLoop(edge('a', 'a'), [])).toEqual(['a', 'a']);
    expect(forwardLoop(edge('a', 'b'), [edge('b', 'a')])).toEqual(['a', 'b', 'a']);
    expect(forwardLoop(edge('a', 'b'), [edge('b', 'x'), edge('b', 'c', 'h'), edge('c', 'a')])).toEqual([
      'a',
      'b',
      'c',
      'a',
    ]);
  });

  it('leaves the subscription that is replaced out of account, and ends in loops of others', () => {
    expect(forwardLoop(edge('a', 'c'), [edge('a', 'b'), edge('b', 'a')])).toBeNull();
    expect(forwardLoop(edge('a', 'b'), [edge('b', 'c'), edge('c', 'b')])).toBeNull();
  });
});

describe('ForwardConsumer', () => {
  const consumers: ForwardConsumer[] = [];
  afterEach(async () => {
    for (const consumer of consumers.splice(0)) await consumer.stop();
  });

  async function setUp(send: (messages: NewMessage[]) => Promise<unknown>, options: Partial<ForwardParts> = {}) {
    const owned = new HandedSubscription(subscriptionConfig({ mode: 'forward', forward: { topic: 'archive' } }));
    const sends: NewMessage[][] = [];
    const consumer = new ForwardConsumer(owned, {
      send: (messages) => {
        sends.push(messages);
        return send(messages);
      },
      logger: silentLogger,
      ...options,
    });
    consumers.push(consumer);
    await consumer.start();
    return { owned, sends, consumer };
  }

  const messages = (count: number) => Array.from({ length: count }, (_, index) => ({ id: `m${index}` }));
  const origins = (sent: NewMessage[]) => sent.map(({ headers }) => headers?.['halfbox-origin-id']);

  it('sends copies in order, together, and acks when they are stored', async () => {
    const { owned, sends } = await setUp(() => Promise.resolve());
    owned.add(...messages(3));
    await owned.untilSettled(3);
    expect(origins(sends.flat())).toEqual(['m0', 'm1', 'm2']);
    expect(sends.flat().every(({ topic }) => topic === 'archive')).toBe(true);
    expect([...owned.settled.values()]).toEqual([{ kind: 'ack' }, { kind: 'ack' }, { kind: 'ack' }]);
  });

  it('has one bounded batch in hand at a time', async () => {
    let end = () => {};
    const { owned, sends } = await setUp(() => new Promise<void>((resolve) => (end = resolve)), { batchMax: 4 });
    owned.add(...messages(10));
    for (let batch = 1; batch <= 3; batch += 1) {
      await until(() => sends.length === batch);
      expect(owned.given).toBeLessThanOrEqual(batch * 4);
      end();
    }
    await owned.untilSettled(10);
    expect(sends.map((sent) => sent.length)).toEqual([4, 4, 2]);
  });

  it('cuts sends by bytes', async () => {
    const { owned, sends } = await setUp(() => Promise.resolve(), { batchBytesMax: 100 });
    const body = { json: JSON.stringify('x'.repeat(58)) };
    owned.add(
      { id: 'a', body },
      { id: 'b', body: { json: '1' } },
      { id: 'c', body },
      { id: 'd', body: { bytes: Buffer.alloc(500) } },
    );
    await owned.untilSettled(4);
    expect(sends.map(origins)).toEqual([['a', 'b'], ['c'], ['d']]);
  });

  it('fails only the message that is to blame', async () => {
    const tooLarge = new Problem('body-too-large', 'too large');
    const { owned } = await setUp((sent) =>
      origins(sent).includes('m1') ? Promise.reject(tooLarge) : Promise.resolve(),
    );
    owned.add(...messages(3));
    await owned.untilSettled(3);
    expect(Object.fromEntries(owned.settled)).toEqual({
      m0: { kind: 'ack' },
      m1: { kind: 'nack', error: 'body-too-large' },
      m2: { kind: 'ack' },
    });
  });

  it('waits for a store that is away without a failed attempt, and sends the same copies', async () => {
    let failures = 2;
    const { owned, sends } = await setUp(() =>
      failures-- > 0 ? Promise.reject(new Problem('unavailable', 'away')) : Promise.resolve(),
    );
    owned.add(...messages(2));
    await owned.untilSettled(2);
    expect([...owned.settled.values()]).toEqual([{ kind: 'ack' }, { kind: 'ack' }]);
    expect(sends).toHaveLength(3);
    expect(sends[2]).toEqual(sends[0]);
  });

  it('buries what went round too often', async () => {
    const { owned, sends } = await setUp(() => Promise.resolve());
    owned.add({ id: 'old', headers: { 'halfbox-hops': '16' } }, { id: 'new', headers: { 'halfbox-hops': '15' } });
    await owned.untilSettled(2);
    expect(owned.settled.get('old')).toEqual({ kind: 'reject', error: 'forward-loop' });
    expect(owned.settled.get('new')).toEqual({ kind: 'ack' });
    expect(sends.flat().map(({ headers }) => headers?.['halfbox-hops'])).toEqual(['16']);
  });

  it('ends after the batch in hand', async () => {
    let end = () => {};
    const { owned, sends, consumer } = await setUp(() => new Promise<void>((resolve) => (end = resolve)), {
      batchMax: 1,
    });
    owned.add(...messages(2));
    await until(() => sends.length === 1);
    const stopped = consumer.stop();
    end();
    await stopped;
    expect([...owned.settled.keys()]).toEqual(['m0']);
    expect(owned.given).toBe(1);
  });
});
