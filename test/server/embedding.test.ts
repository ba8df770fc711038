import { ConsoleLogger, Logger } from '@nestjs/common';
import { HalfboxClient } from '../../src/client/broker/halfbox-client.js';
import { BrokerUnreachable } from '../../src/client/errors.js';
import { completeSettings, type SettingOptions } from '../../src/config/settings.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { startNode, type NodeOptions, type RunningNode } from '../../src/server/node.js';
import { mysqlServer, sqliteServer } from '../store/databases.js';
import { eventually } from '../system/broker-process.js';

const keys = 'shop:a-secret:produce';

describe('a broker without its API', () => {
  let place: { url: string; remove(): Promise<void> };
  let nodes: RunningNode[];

  const start = async (options: NodeOptions, settings: SettingOptions = {}): Promise<RunningNode> => {
    const complete = completeSettings({ storeUrl: place.url, port: 0, poolSize: 4, ...settings });
    const node = await startNode(complete, silentLogger, 'test', options);
    nodes.push(node);
    return node;
  };

  beforeEach(async () => {
    nodes = [];
    place = await sqliteServer.provide();
  });
  afterEach(async () => {
    for (const node of nodes) await node.stop();
    await place.remove();
  });

  test('is called from its own process, whatever the API keys are', async () => {
    const client = new HalfboxClient((await start({ api: false }, { apiKeys: keys, autoCreate: true })).caller);
    await client.putSubscription('orders', 'billing', { mode: 'pull' });
    await client.prepare({ id: 'order-1', producer: 'another', messages: [{ topic: 'orders', body: { order: 1 } }] });
    expect((await client.commit('order-1')).state).toBe('committed');
    const { deliveries } = await client.receive('orders', 'billing', { waitMs: 5_000 });
    expect(deliveries.map(({ message }) => message.body)).toEqual([{ order: 1 }]);
    await expect(client.rollback('order-1')).rejects.toMatchObject({ code: 'transaction-already-committed' });
    await expect(client.send([{ topic: 'orders' }])).rejects.toMatchObject({ code: 'validation-failed', status: 400 });
  });

  test('with its API its own calls need no key, others do', async () => {
    const node = await start({}, { apiKeys: keys });
    expect((await new HalfboxClient(node.caller).nodes()).items.map(({ url }) => url)).toEqual([node.url]);
    expect((await fetch(`${node.url}/v1/nodes`)).status).toBe(401);
    const guessed = await fetch(`${node.url}/v1/nodes`, { headers: { authorization: 'Bearer application' } });
    expect(guessed.status).toBe(401);
  });

  test('a receive that was given up takes nothing from the next one', async () => {
    const node = await start({ api: false });
    const client = new HalfboxClient(node.caller);
    await client.putSubscription('orders', 'billing', { mode: 'pull' });
    const giveUp = new AbortController();
    const waiting = client.receive('orders', 'billing', { waitMs: 20_000 }, { signal: giveUp.signal });
    // By then the broker waits for deliveries for it.
    await client.send([{ topic: 'others', body: 1 }]);
    giveUp.abort();
    await expect(waiting).rejects.toBeInstanceOf(BrokerUnreachable);
    await client.send([{ topic: 'orders', body: 1 }]);
    const { deliveries } = await client.receive('orders', 'billing', { waitMs: 5_000 });
    expect(deliveries.map(({ attempt }) => attempt)).toEqual([1]);
  });

  test('a stop waits for calls in hand and answers those that wait; later ones are not done', async () => {
    const node = await start({ api: false });
    const client = new HalfboxClient(node.caller);
    await client.putSubscription('orders', 'none', { mode: 'pull', filter: 'nothing' });
    // Owned from here on.
    await client.receive('orders', 'none');
    const listening = client.receive('orders', 'none', { waitMs: 20_000 });
    const sending = Array.from({ length: 50 }, (_, n) => client.send([{ topic: 'orders', body: n }]));
    await Promise.race(sending);
    const stopped = node.stop();
    expect((await listening).deliveries).toEqual([]);
    expect((await Promise.all(sending)).flatMap(({ messages }) => messages)).toHaveLength(50);
    await stopped;
    const late = client.send([{ topic: 'orders', body: 2 }]);
    await expect(late).rejects.toMatchObject({ code: 'broker-unreachable', mayBeDone: false });
  });

  test('leaves the logger of the process as it was', async () => {
    class Own extends ConsoleLogger {
      readonly lines: unknown[] = [];
      override log(message: unknown): void {
        this.lines.push(message);
      }
    }
    const own = new Own();
    Logger.overrideLogger(own);
    try {
      await start({ api: false });
      new Logger('app').log('still heard');
      expect(own.lines).toEqual(['still heard']);
    } finally {
      Logger.overrideLogger(false);
    }
  });
});

describe('a broker without its API on a shared database', () => {
  jest.setTimeout(60_000);
  let place: { url: string; remove(): Promise<void> };
  const start = (api: boolean): Promise<RunningNode> =>
    startNode(completeSettings({ storeUrl: place.url, port: 0, poolSize: 4 }), silentLogger, 'test', { api });

  beforeEach(async () => {
    place = await mysqlServer.provide();
  });
  afterEach(() => place.remove());

  test('does not start beside another one, and lets none start beside it', async () => {
    const reachable = await start(true);
    await expect(start(false)).rejects.toThrow(/must be the only one on its database; there is another at http/);
    await reachable.stop();
    const alone = await start(false);
    await expect(start(true)).rejects.toThrow(/must be the only one on its database; one is running/);
    // It was not disturbed.
    const client = new HalfboxClient(alone.caller);
    await client.putSubscription('orders', 'billing', { mode: 'pull' });
    await client.send([{ topic: 'orders', body: 1 }]);
    await eventually('delivery', async () => {
      const { deliveries } = await client.receive('orders', 'billing', { waitMs: 1_000 });
      return deliveries.length === 1 || undefined;
    });
    await alone.stop();
  });
});
