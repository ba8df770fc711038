import { Producer, type SendFailed, type SendSettingOptions } from '../../../src/client/index.js';
import { FakeCaller } from './fake-caller.js';

describe('Producer, tries and bounds', () => {
  let caller: FakeCaller;
  let producer: Producer;

  const start = (options: SendSettingOptions = {}) => {
    caller = new FakeCaller();
    producer = new Producer({ name: 'shop', caller, ...options });
  };
  const send = (body: unknown, options?: { timeoutMs?: number; retries?: number; orderingKey?: string }) => {
    const { orderingKey, ...limits } = options ?? {};
    return producer.send({ topic: 'orders', body, orderingKey }, limits);
  };
  const failure = (sent: Promise<unknown>): Promise<SendFailed> =>
    sent.then(
      () => Promise.reject(new Error('it was sent')),
      (error: SendFailed) => error,
    );

  afterEach(() => producer.close({ timeoutMs: 0 }));

  it.each([421, 429, 500, 502, 503, 504])('tries again after %i, with the same ids, elsewhere', async (status) => {
    start();
    const sent = send(1);
    const first = await caller.next();
    first.refuse(status, 'as-told');
    const second = await caller.next();
    expect(second.messages).toEqual(first.messages);
    expect(first.call.avoid).toBeUndefined();
    expect(second.call.avoid).toBe('http://one');
    second.store();
    expect((await sent).id).toBe(first.messages[0]!.id);
    expect(producer.metrics().sends).toMatchObject({ done: 1, retries: 1, failed: 0 });
  });

  it.each([400, 401, 403, 404, 409, 413, 415, 501])('does not try again after %i', async (status) => {
    start();
    const sent = failure(send(1));
    (await caller.next()).refuse(status, 'as-told');
    expect(await sent).toMatchObject({ code: 'as-told', status });
    expect(caller.calls).toHaveLength(1);
    expect(producer.metrics().sends).toMatchObject({ refused: 1, retries: 0 });
  });

  it.each([
    ['nothing was stored: connections were refused', false, (): boolean => false],
    ['nothing was stored: there was too much to do', false, 429],
    ['nothing was stored: another broker was meant', false, 421],
    ['it may be stored: the store went away', true, 503],
    ['it may be stored: the broker failed', true, 500],
    ['it may be stored: an answer was lost', true, (): boolean => true],
  ] as const)('says after the last try that %s', async (_, mayBeStored, end) => {
    start();
    const sent = failure(send(1, { retries: 1 }));
    const first = await caller.next();
    const id = first.messages[0]!.id;
    endOf(first, end);
    endOf(await caller.next(), end);
    expect(await sent).toMatchObject({ code: 'send-failed', mayBeStored, attempts: 2, ids: [id] });
    expect(caller.calls).toHaveLength(2);
  });

  it('remembers a try that may have been done when a later one certainly was not', async () => {
    start();
    const sent = failure(send(1, { retries: 1 }));
    (await caller.next()).lose(true);
    (await caller.next()).lose(false);
    expect(await sent).toMatchObject({ code: 'send-failed', mayBeStored: true });
  });

  it('waits as long as the broker asks, and gives up at once where that is too long', async () => {
    start();
    const sent = send(1);
    (await caller.next()).refuse(429, 'overloaded', 300);
    const refusedAt = performance.now();
    const second = await caller.next();
    expect(performance.now() - refusedAt).toBeGreaterThanOrEqual(299);
    second.store();
    await sent;
    const tooLong = failure(send(2, { timeoutMs: 5_000 }));
    const held = await caller.next();
    const startedAt = performance.now();
    held.refuse(503, 'unavailable', 60_000);
    expect(await tooLong).toMatchObject({ code: 'send-failed', attempts: 1, cause: { code: 'unavailable' } });
    expect(performance.now() - startedAt).toBeLessThan(4_000);
  });

  it('gives each of what it gathered its own tries and time', async () => {
    start();
    const [once, short, long] = [failure(send(1, { retries: 0 })), failure(send(2, { timeoutMs: 40 })), send(3)];
    const first = await caller.next();
    expect(first.messages).toHaveLength(3);
    expect(await short).toMatchObject({ code: 'send-failed', mayBeStored: true, attempts: 1 });
    first.lose(false);
    expect(await once).toMatchObject({ code: 'send-failed', mayBeStored: false, attempts: 1 });
    const second = await caller.next();
    expect(second.messages.map(({ body }) => body)).toEqual([3]);
    second.store();
    await long;
  });

  it('bounds a try, so that a broker that hangs leaves time for another one', async () => {
    start({ tryTimeoutMs: 50 });
    const sent = send(1);
    const first = await caller.next();
    expect(first.call.timeoutMs).toBe(50);
    first.lose(true);
    (await caller.next()).store();
    await sent;
  });

  it('sends messages with an ordering key one gathered call at a time, tries included, and others beside them', async () => {
    start();
    const sends = [send('a', { orderingKey: 'k' })];
    const first = await caller.next();
    sends.push(send('b', { orderingKey: 'k' }), send('c', { orderingKey: 'other' }), send('free'));
    const free = await caller.next();
    expect(free.messages.map(({ body }) => body)).toEqual(['free']);
    free.store();
    first.lose(true);
    const again = await caller.next();
    expect(again.messages.map(({ body }) => body)).toEqual(['a']);
    again.store();
    const rest = await caller.next();
    expect(rest.messages.map(({ body }) => body)).toEqual(['b', 'c']);
    rest.store();
    await Promise.all(sends);
  });

  it('overtakes nothing when a gathered call is refused and a part of it has to be tried again', async () => {
    start();
    const sends = ['a', 'b', 'bad', 'd'].map((body) => send(body, { orderingKey: 'k' }));
    const refused = failure(sends[2]!);
    const bodies = async (act: (held: Awaited<ReturnType<FakeCaller['next']>>) => void) => {
      const held = await caller.next();
      act(held);
      return held.messages.map(({ body }) => body).join('');
    };
    expect(await bodies((held) => held.refuse(400, 'validation-failed'))).toBe('abbadd');
    expect(await bodies((held) => held.lose(true))).toBe('ab');
    expect(await bodies((held) => held.refuse(400, 'validation-failed'))).toBe('abbadd');
    expect(await bodies((held) => held.store())).toBe('ab');
    expect(await bodies((held) => held.refuse(400, 'validation-failed'))).toBe('badd');
    expect(await bodies((held) => held.refuse(400, 'validation-failed'))).toBe('bad');
    expect(await bodies((held) => held.store())).toBe('d');
    await Promise.all([sends[0], sends[1], sends[3]]);
    expect(await refused).toMatchObject({ code: 'validation-failed' });
  });

  it('keeps a bounded number in memory: a send waits for room, a one-way message is dropped', async () => {
    start({ bufferItemsMax: 2, inFlightMax: 1 });
    const held = [send(1), send(2)];
    const first = await caller.next();
    const [waiting, tooLate, refused] = [send(3), failure(send(4, { timeoutMs: 60 })), failure(send(5))];
    producer.sendOneway({ topic: 'orders', body: 6 });
    expect(producer.dropped['buffer-full']).toBe(1);
    expect(await refused).toMatchObject({ code: 'send-buffer-full' });
    expect(await tooLate).toMatchObject({ code: 'send-buffer-full' });
    expect(producer.metrics().sends).toMatchObject({ waitingItems: 3, failed: 3 });
    first.store();
    await Promise.all(held);
    const second = await caller.next();
    expect(second.messages.map(({ body }) => body)).toEqual([3]);
    second.store();
    await waiting;
    expect(producer.metrics().sends).toMatchObject({ waitingItems: 0, waitingBytes: 0, done: 3 });
  });

  it('bounds the bytes that it holds and the bytes of a gathered call; a larger send goes alone', async () => {
    start({ bufferBytesMax: 4_000, batchBytesMax: 2_000, inFlightMax: 1 });
    const large = send('x'.repeat(10_000));
    const waiting = ['a', 'b', 'c'].map((letter) => send(letter.repeat(900)));
    const sizes: number[] = [];
    for (let n = 0; n < 3; n += 1) {
      const held = await caller.next();
      sizes.push(held.messages.length);
      held.store();
    }
    expect(sizes).toEqual([1, 2, 1]);
    await Promise.all([large, ...waiting]);
  });

  it('ends what is left when it cannot be flushed in time', async () => {
    start({ inFlightMax: 1 });
    const underWay = failure(send(1));
    await caller.next();
    const waiting = failure(send(2));
    const startedAt = performance.now();
    await producer.close({ timeoutMs: 50 });
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(49);
    expect(await underWay).toMatchObject({ code: 'send-failed', mayBeStored: true, attempts: 1 });
    expect(await waiting).toMatchObject({ code: 'send-failed', mayBeStored: false, attempts: 0 });
    expect(caller.calls).toHaveLength(1);
  });

  it('waits for the local transactions that run when it is closed', async () => {
    caller = new FakeCaller();
    let finish = (_: unknown): void => {};
    const finished = new Promise((resolve) => (finish = resolve));
    const run = async () => ({ transactionId: 't', result: (await finished) as never, committed: undefined });
    producer = new Producer({ name: 'shop', caller, localTransactions: { sendInTransaction: run, transaction: run } });
    const running = producer.sendInTransaction({ topic: 'orders', body: 1 }, async () => 'never asked here');
    let closed = false;
    const closing = producer.close().then(() => (closed = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toBe(false);
    finish('done');
    expect(await running).toMatchObject({ result: 'done' });
    await closing;
    const bare = new Producer({ name: 'shop', caller });
    await expect(bare.transaction(async () => 1)).rejects.toThrow('without localTransactions');
  });
});

function endOf(held: Awaited<ReturnType<FakeCaller['next']>>, end: number | (() => boolean)): void {
  if (typeof end === 'number') held.refuse(end, 'as-told');
  else held.lose(end());
}
