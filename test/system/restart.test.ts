import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BrokerProcess, eventually } from './broker-process.js';

/** One broker on SQLite, killed and started again on the same file. */
describe('a broker that is killed and started again', () => {
  jest.setTimeout(180_000);
  let folder: string;
  let broker: BrokerProcess;
  const start = async (more: Record<string, string> = {}) => {
    broker = await BrokerProcess.start({ HALFBOX_STORE_URL: `sqlite:${join(folder, 'halfbox.db')}`, ...more });
    return broker;
  };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'halfbox-restart-'));
    await start();
  });

  afterEach(async () => {
    await broker.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  it('delivers what was committed, keeps hidden what was not, and counts the attempt that died with it', async () => {
    await broker.put('/v1/subscriptions/orders/billing', { mode: 'push', push: { url: 'http://127.0.0.1:9/gone' } });
    await broker.put('/v1/subscriptions/orders/audit', { mode: 'pull' });
    await broker.commitTransaction('orders', [{ n: 1 }]);
    const half = await broker.post('/v1/transactions', {
      producer: 'shop',
      firstCheckAfterMs: 86_400_000,
      messages: [{ topic: 'orders', body: { n: 2 } }],
    });
    await broker.kill();
    await start();
    const deliveries = await eventually('delivery', async () => {
      const { body } = await broker.post('/v1/subscriptions/orders/audit/receive', { max: 10 });
      const received = (body as { deliveries?: { message: { body: { n: number } } }[] }).deliveries ?? [];
      return received.length > 0 ? received : undefined;
    });
    expect(deliveries.map(({ message }) => message.body.n)).toEqual([1]);
    const { id } = half.body as { id: string };
    expect((await broker.get(`/v1/transactions/${id}`)).body).toMatchObject({ state: 'prepared' });
    expect((await broker.post(`/v1/transactions/${id}/commit`)).status).toBe(200);
  });

  it('asks the producer of a transaction that was silent across the restart', async () => {
    const asked: unknown[] = [];
    const producer: Server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        asked.push(JSON.parse(Buffer.concat(chunks).toString()));
        response.setHeader('content-type', 'application/json').end('{"resolution":"commit"}');
      });
    }).listen(0, '127.0.0.1');
    await once(producer, 'listening');
    const { port } = producer.address() as { port: number };
    await broker.put('/v1/producers/shop', { checkBack: { type: 'http', url: `http://127.0.0.1:${port}/check` } });
    await broker.put('/v1/subscriptions/orders/audit', { mode: 'pull' });
    const half = await broker.post('/v1/transactions', {
      id: 'order-7',
      producer: 'shop',
      firstCheckAfterMs: 500,
      messages: [{ topic: 'orders', key: 'o7', body: { n: 7 } }],
    });
    expect(half.status).toBe(201);
    await broker.kill();
    await start();
    const resolved = await eventually('resolution', async () => {
      const { body } = await broker.get('/v1/transactions/order-7');
      return (body as { state: string }).state === 'committed' ? (body as Record<string, unknown>) : undefined;
    });
    producer.close();
    expect(resolved).toMatchObject({ resolvedBy: 'check', checks: [{ attempt: 1, outcome: 'commit' }] });
    expect(asked[0]).toMatchObject({
      transactionId: 'order-7',
      producer: 'shop',
      messages: [{ topic: 'orders', key: 'o7', body: { n: 7 } }],
    });
  });

  it('refuses a second start on the same file with a message that says why', async () => {
    const second = BrokerProcess.start({ HALFBOX_STORE_URL: `sqlite:${join(folder, 'halfbox.db')}` });
    await expect(second).rejects.toThrow(/halfbox\.db.*(in use|another)/s);
  });

  it('stops cleanly on SIGTERM and starts again where it was', async () => {
    await broker.put('/v1/subscriptions/orders/audit', { mode: 'pull' });
    await broker.commitTransaction('orders', [{ n: 1 }]);
    const { body } = await broker.post('/v1/subscriptions/orders/audit/receive', { max: 1, waitMs: 5000 });
    const [delivery] = (body as { deliveries: { receipt: string; attempt: number }[] }).deliveries;
    expect(await broker.stop()).toBe(0);
    await start();
    const acked = await broker.post('/v1/subscriptions/orders/audit/ack', { receipts: [delivery!.receipt] });
    expect(acked.body).toEqual({ results: [{ receipt: delivery!.receipt, ok: true }] });
  });
});
