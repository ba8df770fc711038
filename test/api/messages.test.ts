import { RunningBroker, type Answer } from './running-broker.js';

describe('messages', () => {
  let broker: RunningBroker;

  beforeAll(async () => {
    broker = await RunningBroker.start();
    await broker.put('/v1/subscriptions/news/reader', { mode: 'pull', filter: 'a||b' });
    await broker.put('/v1/subscriptions/news/archive', { mode: 'pull' });
  });

  afterAll(() => broker.stop());

  const send = (message: object): Promise<Answer> => broker.post('/v1/messages', message);
  const slugOf = (answer: Answer) => String(answer.body.type).replace('urn:halfbox:problem:', '');

  it('sends one message, or many, and answers where each lies', async () => {
    const one = await send({ topic: 'orders', body: { n: 1 } });
    expect(one.status).toBe(201);
    expect(one.body).toMatchObject({
      durability: 'flushed',
      messages: [{ topic: 'orders', offset: expect.any(Number) }],
    });
    const messages = [
      { id: 'first', topic: 'orders', body: 'text' },
      { topic: 'orders', bodyBase64: 'AP8=', contentType: 'application/octet-stream' },
      { topic: 'orders', body: 1, deliverAt: '2099-01-01T00:00:00+02:00' },
    ];
    const late = await send({ messages });
    expect(late.body.errors).toEqual([{ path: 'messages.2.deliverAt', reason: 'more than 365 days away' }]);
    const deliverAt = new Date(Date.now() + 3_600_000).toISOString();
    const many = await send({ messages: [...messages.slice(0, 2), { topic: 'orders', body: 1, deliverAt }] });
    expect(many.body.messages).toMatchObject([{ id: 'first' }, { offset: expect.any(Number) }, { deliverAt }]);
  });

  it('a repeated send answers the same; another body under the id is 409', async () => {
    const message = { id: 'once', topic: 'orders', body: { a: [1, 'é', null] } };
    const first = await send(message);
    expect((await send(message)).body).toEqual(first.body);
    const other = await send({ ...message, body: 2 });
    expect([other.status, slugOf(other)]).toEqual([409, 'id-reused']);
  });

  it('gives back every field of a message, with its state per subscription', async () => {
    const message = {
      id: 'full',
      topic: 'news',
      key: 'k é',
      tag: 'b',
      orderingKey: 'o',
      headers: { 'x-a': '1' },
      contentType: 'application/json',
      body: { deep: [{ a: 1.5 }, true] },
    };
    await send(message);
    const { body } = await broker.get('/v1/messages/full');
    expect(body).toMatchObject({ ...message, state: 'visible', offset: expect.any(Number) });
    expect(body.deliveries).toEqual([
      { group: 'archive', state: 'ready', attempt: 0 },
      { group: 'reader', state: 'ready', attempt: 0 },
    ]);
    const missing = await broker.get('/v1/messages/nobody');
    expect([missing.status, slugOf(missing)]).toEqual([404, 'message-not-found']);
  });

  it('shows ready, filtered, in flight, retry, acked and dead', async () => {
    await broker.put('/v1/subscriptions/states/tagged', { mode: 'pull', filter: 'x' });
    await broker.put('/v1/subscriptions/states/all', { mode: 'pull', maxAttempts: 2, retry: { fixedMs: 0 } });
    await send({ id: 'stateful', topic: 'states', tag: 'y', body: 1 });
    const stateOf = async (group: string) =>
      (await broker.get('/v1/messages/stateful')).body.deliveries.find(
        (delivery: { group: string }) => delivery.group === group,
      );
    const receive = async () =>
      (await broker.post('/v1/subscriptions/states/all/receive', { waitMs: 5_000 })).body.deliveries[0]
        .receipt as string;
    expect(await stateOf('tagged')).toMatchObject({ state: 'filtered' });
    const first = await receive();
    expect(await stateOf('all')).toMatchObject({ state: 'in_flight', attempt: 1, dueAt: expect.any(String) });
    await broker.post('/v1/subscriptions/states/all/nack', { receipts: [first], error: 'boom', delayMs: 3_600_000 });
    expect(await stateOf('all')).toMatchObject({ state: 'retry', attempt: 1, error: 'boom' });

    await send({ id: 'dying', topic: 'states', body: 1 });
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      await broker.post('/v1/subscriptions/states/all/nack', { receipts: [await receive()], error: `no ${attempt}` });
    }
    const { deliveries } = (await broker.get('/v1/messages/dying')).body;
    expect(deliveries).toContainEqual({ group: 'all', state: 'dead', attempt: 2, error: 'no 2' });

    await send({ id: 'good', topic: 'states', body: 1 });
    await broker.post('/v1/subscriptions/states/all/ack', { receipts: [await receive()] });
    expect((await broker.get('/v1/messages/good')).body.deliveries[0]).toMatchObject({ group: 'all', state: 'acked' });
  });

  it('lists the messages of a topic with a key, in a span of time', async () => {
    for (const id of ['l1', 'l2', 'l3']) await send({ id, topic: 'listed', key: 'k', body: id });
    await send({ id: 'l4', topic: 'listed', key: 'other', body: 1 });
    const ids = async (query: string) =>
      (await broker.get(`/v1/messages?topic=listed&key=k${query}`)).body.items
        .map(({ id }: { id: string }) => id)
        .sort();
    expect(await ids('')).toEqual(['l1', 'l2', 'l3']);
    expect(await ids(`&from=${new Date(Date.now() + 60_000).toISOString()}`)).toEqual([]);
    expect(await ids(`&to=${new Date(Date.now() - 60_000).toISOString()}`)).toEqual([]);
    const page = (await broker.get('/v1/messages?topic=listed&key=k&limit=2')).body;
    const rest = (await broker.get(`/v1/messages?topic=listed&key=k&limit=2&after=${encodeURIComponent(page.next)}`))
      .body;
    expect([page.items.length, rest.items.length, rest.next]).toEqual([2, 1, null]);
  });

  it('states of half, rolled back, scheduled and recalled messages are shown', async () => {
    const stateOf = async (id: string) => (await broker.get(`/v1/messages/${id}`)).body.state as string;
    const messages = [{ id: 'half', topic: 'orders', body: 1 }];
    const { id } = (await broker.post('/v1/transactions', { producer: 'shop', messages })).body;
    expect(await stateOf('half')).toBe('half');
    await broker.post(`/v1/transactions/${id}/rollback`);
    expect(await stateOf('half')).toBe('rolled_back');

    await send({ id: 'later', topic: 'orders', body: 1, delayMs: 3_600_000 });
    expect(await stateOf('later')).toBe('scheduled');
    for (let call = 0; call < 2; call += 1) expect((await broker.remove('/v1/messages/later')).status).toBe(204);
    expect(await stateOf('later')).toBe('recalled');
    const reused = await send({ id: 'later', topic: 'orders', body: 2 });
    expect(slugOf(reused)).toBe('id-reused');
  });

  it('recalls only what waits for its time', async () => {
    await send({ id: 'visible', topic: 'orders', body: 1 });
    const visible = await broker.remove('/v1/messages/visible');
    expect([visible.status, slugOf(visible)]).toEqual([409, 'not-recallable']);
    const missing = await broker.remove('/v1/messages/nobody');
    expect([missing.status, slugOf(missing)]).toEqual([404, 'message-not-found']);
  });

  it('a delayed message is delivered at its time', async () => {
    await broker.put('/v1/subscriptions/delayed/reader', { mode: 'pull' });
    const sentAt = Date.now();
    await send({ topic: 'delayed', body: 1, delayMs: 700 });
    const { deliveries } = (await broker.post('/v1/subscriptions/delayed/reader/receive', { waitMs: 10_000 })).body;
    expect(deliveries).toHaveLength(1);
    expect(Date.now() - sentAt).toBeGreaterThanOrEqual(690);
  });

  it("a body over its topic's bound is 413", async () => {
    await broker.put('/v1/topics/small', { maxBodyBytes: 10 });
    expect((await send({ topic: 'small', body: '12345678' })).status).toBe(201);
    const large = await send({ topic: 'small', body: '123456789' });
    expect([large.status, slugOf(large)]).toEqual([413, 'body-too-large']);
  });
});
