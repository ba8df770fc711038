import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completeSettings } from '../../../src/config/settings.js';
import { BrokerUnreachable, HttpCaller } from '../../../src/client/index.js';
import { HalfboxClient } from '../../../src/client/broker/halfbox-client.js';
import { Consumer } from '../../../src/client/consume/consumer.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { startNode } from '../../../src/server/node.js';
import { TcpProxy } from '../../faults/tcp-proxy.js';
import { until } from '../../queue/until.js';
import { freePort } from '../../setup/private-server.mjs';
import { Consuming, Gate, WatchedCaller } from './consuming.js';

describe('a consumer when things go wrong', () => {
  let consuming: Consuming;
  beforeAll(async () => {
    consuming = await Consuming.start();
  });
  afterEach(() => consuming.reset());
  afterAll(() => consuming.stop());

  /** A client through a proxy that can be cut. */
  async function throughProxy(): Promise<{ proxy: TcpProxy; client: HalfboxClient }> {
    const { hostname, port } = new URL(consuming.broker.url);
    const proxy = await TcpProxy.before(hostname, Number(port));
    const client = consuming.clientOver(new HttpCaller({ url: proxy.through(consuming.broker.url) }));
    return { proxy, client };
  }

  it('an ack that cannot be sent for a while is sent later, and the message is not delivered twice', async () => {
    const topic = consuming.topic();
    const { proxy, client } = await throughProxy();
    let handled = 0;
    const consumer = await consuming.started({
      topic,
      client,
      handler: () => {
        handled += 1;
        proxy.goDown();
      },
    });
    const [id] = await consuming.send(topic, 1);
    await until('the ack failed', () => consuming.errors.some(({ during }) => during === 'settle'));
    expect((await consuming.stateOf(id!)).state).toBe('in_flight');
    expect(consumer.counts.untold).toBe(1);
    proxy.recover();
    await consuming.untilAcked(id!);
    await until('told', () => consumer.counts.untold === 0);
    expect([handled, consumer.counts.acked, consumer.counts.lost]).toEqual([1, 1, 0]);
    await consumer.stop();
    await proxy.close();
  });

  it('an ack whose answer was lost is found done when it is repeated', async () => {
    const topic = consuming.topic();
    const caller = new WatchedCaller(new HttpCaller({ url: consuming.broker.url }));
    let lost = 0;
    caller.meddle = async ({ path }, make) => {
      const answer = await make();
      if (!path.endsWith('/ack') || lost > 0) return answer;
      lost += 1;
      throw new BrokerUnreachable(path, true, new Error('cut'));
    };
    let handled = 0;
    const consumer = await consuming.started({
      topic,
      client: consuming.clientOver(caller),
      handler: () => (handled += 1),
    });
    const [id] = await consuming.send(topic, 1);
    await consuming.untilAcked(id!);
    await until('told', () => consumer.counts.untold === 0);
    expect([lost, handled, consumer.counts.acked, consumer.counts.lost]).toEqual([1, 1, 1, 0]);
  });

  it('an ack that cannot be sent until its receipt has expired is reported, and the message comes again', async () => {
    const topic = consuming.topic();
    const caller = new WatchedCaller(new HttpCaller({ url: consuming.broker.url }));
    let acks = 0;
    caller.meddle = ({ path }, make) => {
      if (!path.endsWith('/ack')) return make();
      acks += 1;
      return Promise.reject(new BrokerUnreachable(path, false, new Error('refused')));
    };
    const attempts: number[] = [];
    const consumer = await consuming.started({
      topic,
      client: consuming.clientOver(caller),
      visibilityMs: 1_000,
      handler: (_message, { attempt }) => {
        attempts.push(attempt);
        if (attempt === 2) caller.meddle = undefined;
      },
    });
    const [id] = await consuming.send(topic, 1);
    await consuming.untilAcked(id!);
    expect(attempts).toEqual([1, 2]);
    expect(acks).toBeGreaterThan(1);
    expect(consumer.counts).toMatchObject({ received: 2, lost: 1 });
    expect(consuming.errors).toContainEqual({
      during: 'settle',
      messageId: id,
      error: expect.objectContaining({ code: 'receipt-lost' }) as Error,
    });
  });

  it('keeps a delivery for longer than its visibility while the handler runs', async () => {
    const topic = consuming.topic();
    const gate = new Gate();
    const attempts: number[] = [];
    await consuming.started({
      topic,
      visibilityMs: 1_000,
      handler: async (_message, { attempt }) => {
        attempts.push(attempt);
        await gate.opened;
      },
    });
    const [id] = await consuming.send(topic, 1);
    const first = await until('given', async () => (await consuming.stateOf(id!)).dueAt);
    await until('extended beyond two visibility times', async () => {
      const { state, attempt, dueAt } = await consuming.stateOf(id!);
      expect([state, attempt]).toEqual(['in_flight', 1]);
      return Date.parse(dueAt!) - Date.parse(first) > 2_000;
    });
    gate.open();
    await consuming.untilAcked(id!);
    expect(attempts).toEqual([1]);
  });

  it('tells a handler whose receipt was lost, and the message comes again', async () => {
    const topic = consuming.topic();
    const reasons: unknown[] = [];
    const attempts: number[] = [];
    await consuming.started({
      topic,
      visibilityMs: 1_000,
      handler: async (_message, { attempt, signal }) => {
        attempts.push(attempt);
        if (attempts.length > 1) return;
        await once(signal, 'abort');
        reasons.push(signal.reason);
      },
    });
    const [id] = await consuming.send(topic, 1);
    await until('began', () => attempts.length === 1);
    await consuming.broker.post(`/v1/subscriptions/${topic}/g/seek`, { to: 'earliest' });
    await consuming.untilAcked(id!);
    await until('told', () => reasons.length === 1);
    expect(reasons).toEqual([expect.objectContaining({ code: 'receipt-lost', messageId: id })]);
    expect(attempts).toEqual([1, 1]);
  });

  it('a handler that runs for too long loses its delivery', async () => {
    const topic = consuming.topic();
    const attempts: number[] = [];
    await consuming.started({
      topic,
      visibilityMs: 1_000,
      handlerMsMax: 1_500,
      handler: async (_message, { attempt, signal }) => {
        attempts.push(attempt);
        if (attempt === 1) await once(signal, 'abort');
      },
    });
    const [id] = await consuming.send(topic, 1);
    // The handler ends when it is told, so its end still counts.
    await consuming.untilAcked(id!);
    expect(attempts).toEqual([1]);
    expect(consuming.errors).toMatchObject([{ error: { code: 'handler-timeout', messageId: id } }]);
  });

  it('a stop gives back what was not begun, without an attempt, and finishes what runs', async () => {
    const topic = consuming.topic();
    const gate = new Gate();
    const begun: string[] = [];
    const consumer = await consuming.started({
      topic,
      concurrency: 1,
      subscription: { maxAttempts: 1 },
      handler: ({ id, body }) => {
        begun.push(id);
        return body === 'slow' ? gate.opened : undefined;
      },
    });
    const [quick] = await consuming.send(topic, 'quick');
    await consuming.untilAcked(quick!);
    await consuming.send(topic, 'slow', 'slow', 'slow', 'slow');
    await until('one runs, three wait', () => consumer.counts.running === 1 && consumer.counts.waiting === 3);
    const stopped = consumer.stop();
    const given: string[] = [];
    while (given.length < 3) {
      const { deliveries } = await consuming.client.receive(topic, 'g', { max: 10, waitMs: 10_000 });
      for (const { attempt, message } of deliveries) {
        expect(attempt).toBe(1);
        given.push(message.id);
      }
    }
    expect(given).not.toContain(begun[1]);
    expect((await consuming.stateOf(begun[1]!)).state).toBe('in_flight');
    gate.open();
    await stopped;
    expect((await consuming.stateOf(begun[1]!)).state).toBe('acked');
    expect(consumer.counts).toMatchObject({ acked: 2, released: 3, lost: 0, running: 0, waiting: 0, untold: 0 });
    expect(await consuming.deadLetters(topic)).toEqual([]);
  });

  it('a stop does not wait for ever: the handler is told, and its message comes again later', async () => {
    const topic = consuming.topic();
    const reasons: unknown[] = [];
    const consumer = await consuming.started({
      topic,
      stopMs: 50,
      visibilityMs: 1_000,
      handler: async (_message, { signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason));
        await new Promise(() => undefined);
      },
    });
    const [id] = await consuming.send(topic, 1);
    await until('runs', () => consumer.counts.running === 1);
    await consumer.stop();
    expect(reasons).toEqual([expect.objectContaining({ code: 'consumer-stopped', messageId: id })]);
    const { deliveries } = await consuming.client.receive(topic, 'g', { waitMs: 10_000 });
    expect(deliveries).toMatchObject([{ attempt: 2, message: { id } }]);
  });

  it('the message of a killed process is delivered again', async () => {
    const topic = consuming.topic();
    const child = fork(join(__dirname, 'fixtures/consumer.mjs'), [consuming.broker.url, topic], { execArgv: [] });
    const said: unknown[] = [];
    child.on('message', (message) => said.push(message));
    try {
      await until('started', () => said.includes('started'));
      const [id] = await consuming.send(topic, 1);
      await until('began', () => said.length === 2);
      expect(said[1]).toEqual({ id, attempt: 1 });
      child.kill('SIGKILL');
      const attempts: number[] = [];
      await consuming.started({ topic, handler: (_message, { attempt }) => attempts.push(attempt) });
      await consuming.untilAcked(id!);
      expect(attempts).toEqual([2]);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('goes on when its broker was restarted in the middle, and misses nothing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'halfbox-consume-'));
    const settings = completeSettings({ storeUrl: `sqlite:${join(folder, 'halfbox.db')}`, port: await freePort() });
    let node = await startNode(settings, silentLogger, 'test');
    const client = new HalfboxClient(new HttpCaller({ url: node.url }));
    const seen = new Set<unknown>();
    const failed: string[] = [];
    const consumer = new Consumer<number>({
      client,
      topic: 'orders',
      group: 'g',
      concurrency: 2,
      visibilityMs: 2_000,
      onError: (_error, { during }) => failed.push(during),
      handler: async ({ body }) => {
        await new Promise(setImmediate);
        seen.add(body);
      },
    });
    await consumer.start();
    const send = (from: number) =>
      client.send(Array.from({ length: 200 }, (_, n) => ({ topic: 'orders', body: from + n })));
    await send(0);
    await until('under way', () => seen.size > 20);
    await node.stop();
    await until('the broker is missed', () => failed.includes('receive'));
    node = await startNode(settings, silentLogger, 'test');
    await send(200);
    await until('all seen', () => seen.size === 400);
    await until('all settled', async () => {
      const answer = await fetch(`${node.url}/v1/subscriptions/orders/g`);
      return ((await answer.json()) as { backlog: number }).backlog === 0;
    });
    await consumer.stop();
    await client.close();
    await node.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('receives and acknowledges at least 200 messages a call under load', async () => {
    const topic = consuming.topic();
    const caller = new WatchedCaller(new HttpCaller({ url: consuming.broker.url }));
    await consuming.broker.put(`/v1/subscriptions/${topic}/g`, { mode: 'pull' });
    for (let batch = 0; batch < 4; batch += 1) {
      await consuming.send(topic, ...Array.from({ length: 1_000 }, (_, n) => n));
    }
    const consumer = await consuming.started({
      topic,
      client: consuming.clientOver(caller),
      subscription: false,
      handler: () => undefined,
    });
    await until('all acked', () => consumer.counts.acked === 4_000);
    const sizesOf = (verb: string, size: (call: { body: unknown; answer: unknown }) => number) =>
      caller.calls.filter((call) => call.verb === verb).map(size);
    const received = sizesOf('receive', ({ answer }) => (answer as { deliveries: unknown[] }).deliveries.length);
    const acked = sizesOf('ack', ({ body }) => (body as { receipts: unknown[] }).receipts.length);
    expect(Math.max(...received)).toBeGreaterThanOrEqual(200);
    expect(Math.max(...acked)).toBeGreaterThanOrEqual(200);
    expect(4_000 / acked.length).toBeGreaterThanOrEqual(150);
  });
});
