import { RunningBroker } from './running-broker.js';

/** The thinnest way through everything: prepare, commit, receive, ack. */
describe('a transactional message over HTTP', () => {
  let broker: RunningBroker;

  beforeAll(async () => {
    broker = await RunningBroker.start();
    await broker.put('/v1/subscriptions/orders/billing', { mode: 'pull' });
  });

  afterAll(() => broker.stop());

  const receive = async (body: object = {}) =>
    (await broker.post('/v1/subscriptions/orders/billing/receive', body)).body.deliveries;

  it('is invisible when prepared, delivered when committed, gone when acked', async () => {
    const body = { producer: 'shop', messages: [{ topic: 'orders', key: '1', body: { order: 1 } }] };
    const prepared = await broker.post('/v1/transactions', body);
    expect(prepared.status).toBe(201);
    expect(await receive()).toEqual([]);

    const committed = await broker.post(`/v1/transactions/${prepared.body.id}/commit`);
    expect(committed.status).toBe(200);
    expect(committed.body).toMatchObject({ state: 'committed', resolvedBy: 'client', durability: 'flushed' });

    const [delivery] = await receive({ waitMs: 5_000 });
    expect(delivery).toMatchObject({ attempt: 1, message: { topic: 'orders', key: '1', body: { order: 1 } } });
    const acked = await broker.post('/v1/subscriptions/orders/billing/ack', { receipts: [delivery.receipt] });
    expect(acked.body).toEqual({ results: [{ receipt: delivery.receipt, ok: true }] });
    expect((await broker.get('/v1/subscriptions/orders/billing')).body).toMatchObject({ backlog: 0, inFlight: 0 });
  });

  it('is never delivered when rolled back', async () => {
    const body = { producer: 'shop', messages: [{ topic: 'orders', body: 2 }] };
    const { id } = (await broker.post('/v1/transactions', body)).body;
    expect((await broker.post(`/v1/transactions/${id}/rollback`)).body.state).toBe('rolled_back');
    const late = await broker.post(`/v1/transactions/${id}/commit`);
    expect(late.status).toBe(409);
    expect(late.body.type).toBe('urn:halfbox:problem:transaction-already-rolled-back');
    expect(await receive({ waitMs: 100 })).toEqual([]);
  });
});
