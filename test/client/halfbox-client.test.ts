import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BrokerUnreachable, HalfboxClient, HttpCaller } from '../../src/client/index.js';
import { completeSettings, startNode, type RunningNode } from '../../src/index.js';
import { silentLogger } from '../../src/runtime/logger.js';

describe('HalfboxClient against a broker in this process', () => {
  let folder: string;
  let node: RunningNode;
  let client: HalfboxClient;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'halfbox-client-'));
    const settings = completeSettings({ storeUrl: `sqlite:${join(folder, 'halfbox.db')}`, port: 0 });
    node = await startNode(settings, silentLogger, '0.0.0');
    client = new HalfboxClient(new HttpCaller({ url: node.url }));
    await fetch(`${node.url}/v1/subscriptions/orders/billing`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ mode: 'pull' }),
    });
  });

  afterAll(async () => {
    await client.close();
    await node.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('prepares, commits, receives and acknowledges', async () => {
    const prepared = await client.prepare({
      id: 't1',
      producer: 'shop',
      messages: [{ topic: 'orders', body: { n: 1 } }],
    });
    expect(prepared).toMatchObject({ id: 't1', state: 'prepared' });
    expect(await client.commit('t1')).toMatchObject({ state: 'committed', durability: 'flushed' });
    await client.send([{ topic: 'orders', body: { n: 2 } }]);
    const seen: unknown[] = [];
    while (seen.length < 2) {
      const { deliveries } = await client.receive('orders', 'billing', { max: 10, waitMs: 5_000 });
      seen.push(...deliveries.map(({ message }) => message.body));
      const receipts = deliveries.map(({ receipt }) => receipt);
      const { results } = await client.ack('orders', 'billing', { receipts });
      expect(results).toEqual(receipts.map((receipt) => ({ receipt, ok: true })));
    }
    expect(seen).toEqual(expect.arrayContaining([{ n: 1 }, { n: 2 }]));
  });

  it('receives from several subscriptions, and acknowledges of them', async () => {
    const subscriptions = ['stock', 'billing'].map((group) => ({ topic: 'orders', group }));
    await client.putSubscription('orders', 'stock', { mode: 'pull' });
    await client.receive('orders', 'stock', { waitMs: 0 });
    await client.send([{ topic: 'orders', body: { n: 3 } }]);
    const groups: string[] = [];
    while (groups.length < 2) {
      const { deliveries, notServed } = await client.receiveSeveral({ subscriptions, max: 10, waitMs: 5_000 });
      expect(notServed).toEqual([]);
      groups.push(...deliveries.map(({ group }) => group));
      const receipts = deliveries.map(({ topic, group, receipt }) => ({ topic, group, receipt }));
      const { results } = await client.ackSeveral({ deliveries: receipts });
      expect(results).toEqual(receipts.map(({ receipt }) => ({ receipt, ok: true })));
    }
    expect(groups.sort()).toEqual(['billing', 'stock']);
  });

  it('throws the problem of a refusal, and says when no answer came', async () => {
    await expect(client.rollback('t1')).rejects.toMatchObject({ code: 'transaction-already-committed', status: 409 });
    await expect(client.transaction('nobody')).rejects.toMatchObject({ code: 'transaction-not-found', status: 404 });
    const nowhere = new HalfboxClient(new HttpCaller({ url: 'http://127.0.0.1:9' }));
    await expect(nowhere.commit('t1', { timeoutMs: 2_000 })).rejects.toMatchObject({
      mayBeDone: false,
      constructor: BrokerUnreachable,
    });
    await nowhere.close();
  });
});
