import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BrokerProcess, eventually } from '../system/broker-process.js';
import { ExampleProcess } from './example-process.js';

/** A database of its own: what stays behind is nobody's. */
const redisUrl = `${process.env.HALFBOX_TEST_REDIS_URL}/12`;
const testMsMax = 120_000;

describe('the worker of @nestjs/bull', () => {
  let folder: string;
  let broker: BrokerProcess;
  let worker: ExampleProcess;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'halfbox-bull-example-'));
    broker = await BrokerProcess.start({
      HALFBOX_STORE_URL: `sqlite:${join(folder, 'halfbox.db')}`,
      HALFBOX_REDIS_URL: redisUrl,
    });
    expect((await broker.put('/v1/subscriptions/orders/packing', { mode: 'queue' })).status).toBe(200);
    worker = await ExampleProcess.start('dist/examples/bull-worker/main.js', { REDIS_URL: redisUrl });
  }, testMsMax);
  afterAll(async () => {
    await worker?.kill();
    await broker?.call('DELETE', '/v1/subscriptions/orders/packing?force=true');
    await broker?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, testMsMax);

  const stateOf = async (id: string) => (await broker.get(`/v1/messages/${id}`)).body.deliveries[0];

  test(
    'packs what was ordered, once it is committed',
    async () => {
      const id = await broker.commitTransaction('orders', [{ id: 'order-1', item: 'tea' }]);
      expect(await worker.line('tea is packed')).toContain('(attempt 1)');
      const { body } = await broker.get(`/v1/transactions/${id}`);
      await eventually('acknowledgement', async () =>
        (await stateOf(body.messages[0].id)).state === 'acked' ? true : undefined,
      );
    },
    testMsMax,
  );

  test(
    'what it rejects is a dead letter after one attempt',
    async () => {
      const { body } = await broker.post('/v1/messages', {
        topic: 'orders',
        body: { id: 'order-2', item: 'elephant' },
      });
      const dead = await eventually('dead letter', async () => {
        const delivery = await stateOf(body.messages[0].id);
        return delivery.state === 'dead' ? delivery : undefined;
      });
      expect(dead).toMatchObject({ attempt: 1, error: 'no box is large enough' });
    },
    testMsMax,
  );
});
