import { mysqlServer } from '../store/databases.js';
import { BrokerProcess, eventually, type Answer } from './broker-process.js';

interface PulledDelivery {
  receipt: string;
  attempt: number;
  message: { id: string; body: { n: number } };
}

/** Two real broker processes on one MariaDB: they share the work, answer every call, and take over from each other. */
describe('two broker processes on one database', () => {
  jest.setTimeout(180_000);
  let place: { url: string; remove(): Promise<void> };
  const brokers: BrokerProcess[] = [];

  const start = async () => {
    const broker = await BrokerProcess.start({ HALFBOX_STORE_URL: place.url });
    brokers.push(broker);
    return broker;
  };
  const bothLive = (broker: BrokerProcess) =>
    eventually('second live node', async () => {
      const { body } = await broker.get('/v1/nodes');
      return (body as { items: unknown[] }).items.length === 2 ? true : undefined;
    });
  const receive = async (broker: BrokerProcess, group: string, max = 100, visibilityMs = 60_000) => {
    const answer: Answer = await broker.post(`/v1/subscriptions/orders/${group}/receive`, { max, visibilityMs });
    expect(answer.status).toBe(200);
    return (answer.body as { deliveries: PulledDelivery[] }).deliveries;
  };
  /** The node that owns the subscription, as every node tells it. */
  const ownerOf = async (group: string): Promise<BrokerProcess> =>
    eventually('owner', async () => {
      const { body } = await brokers[0]!.get(`/v1/subscriptions/orders/${group}`);
      const { items } = (await brokers[0]!.get('/v1/nodes')).body as { items: { id: string; url: string }[] };
      const node = items.find(({ id }) => id === (body as { owner: string | null }).owner);
      return brokers.find(({ url }) => url === node?.url);
    });

  beforeEach(async () => {
    place = await mysqlServer.provide();
    await start();
    await start();
    await bothLive(brokers[0]!);
  });

  afterEach(async () => {
    await Promise.all(brokers.splice(0).map((broker) => broker.kill()));
    await place.remove();
  });

  it('answers receive and ack on every node, whoever owns the subscription', async () => {
    await brokers[0]!.put('/v1/subscriptions/orders/billing', { mode: 'pull' });
    await brokers[1]!.commitTransaction('orders', [{ n: 1 }, { n: 2 }]);
    for (const broker of brokers) {
      const [delivery] = await eventually('delivery', async () => {
        const deliveries = await receive(broker, 'billing', 1);
        return deliveries.length > 0 ? deliveries : undefined;
      });
      const other = brokers.find((candidate) => candidate !== broker)!;
      const acked = await other.post('/v1/subscriptions/orders/billing/ack', { receipts: [delivery!.receipt] });
      expect(acked.body).toEqual({ results: [{ receipt: delivery!.receipt, ok: true }] });
    }
    const { body } = await brokers[0]!.get('/v1/subscriptions/orders/billing');
    expect(body).toMatchObject({ backlog: 0, inFlight: 0, retrying: 0, dead: 0 });
  });

  it('hands over at a planned stop without a duplicate: receipts stay good on the other node', async () => {
    await brokers[0]!.put('/v1/subscriptions/orders/billing', { mode: 'pull' });
    await brokers[0]!.commitTransaction(
      'orders',
      Array.from({ length: 20 }, (_, n) => ({ n })),
    );
    const owner = await ownerOf('billing');
    const other = brokers.find((broker) => broker !== owner)!;
    const inHand = await eventually('deliveries', async () => {
      const deliveries = await receive(owner, 'billing', 10);
      return deliveries.length > 0 ? deliveries : undefined;
    });
    expect(await owner.stop()).toBe(0);
    const rest = await eventually('rest', async () => {
      const deliveries = await receive(other, 'billing', 100).catch(() => []);
      return deliveries.length > 0 ? deliveries : undefined;
    });
    const seen = [...inHand, ...rest].map(({ message }) => message.body.n).sort((a, b) => a - b);
    expect(seen).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect(rest.every(({ attempt }) => attempt === 1)).toBe(true);
    const receipts = [...inHand, ...rest].map(({ receipt }) => receipt);
    const acked = await other.post('/v1/subscriptions/orders/billing/ack', { receipts });
    expect((acked.body as { results: { ok?: true }[] }).results.every(({ ok }) => ok === true)).toBe(true);
    expect((await other.get('/v1/subscriptions/orders/billing')).body).toMatchObject({ backlog: 0, inFlight: 0 });
  });

  it('takes over within seconds from a killed owner, and loses nothing', async () => {
    await brokers[0]!.put('/v1/subscriptions/orders/billing', { mode: 'pull' });
    const owner = await ownerOf('billing');
    const other = brokers.find((broker) => broker !== owner)!;
    await other.commitTransaction(
      'orders',
      Array.from({ length: 30 }, (_, n) => ({ n })),
    );
    const acked = await eventually('deliveries', async () => {
      const deliveries = await receive(other, 'billing', 10);
      return deliveries.length > 0 ? deliveries : undefined;
    });
    await other.post('/v1/subscriptions/orders/billing/ack', { receipts: acked.map(({ receipt }) => receipt) });
    await owner.kill();
    await other.commitTransaction('orders', [{ n: 30 }]);
    const seen = new Set(acked.map(({ message }) => message.body.n));
    await eventually(
      'the rest',
      async () => {
        const deliveries = await receive(other, 'billing').catch(() => []);
        for (const { message } of deliveries) {
          expect(seen.has(message.body.n)).toBe(false);
          seen.add(message.body.n);
        }
        return seen.size === 31 ? true : undefined;
      },
      15_000,
    );
  });

  it('resolves a transaction once when both nodes are told opposite things at the same time', async () => {
    await brokers[0]!.put('/v1/subscriptions/orders/billing', { mode: 'pull' });
    for (let round = 0; round < 10; round += 1) {
      const prepared = await brokers[0]!.post('/v1/transactions', {
        producer: 'shop',
        messages: [{ topic: 'orders', body: { n: round } }],
      });
      const { id } = prepared.body as { id: string };
      const answers = await Promise.all([
        brokers[0]!.post(`/v1/transactions/${id}/commit`),
        brokers[1]!.post(`/v1/transactions/${id}/rollback`),
      ]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    }
  });
});
