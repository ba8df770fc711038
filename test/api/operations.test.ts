import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { request, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Logger } from '../../src/runtime/logger.js';
import { eventually } from '../system/broker-process.js';
import { RunningBroker } from './running-broker.js';

const running: RunningBroker[] = [];

async function start(...options: Parameters<typeof RunningBroker.start>): Promise<RunningBroker> {
  const broker = await RunningBroker.start(...options);
  running.push(broker);
  return broker;
}

afterEach(() => Promise.all(running.splice(0).map((broker) => broker.stop())));

describe('operations', () => {
  let broker: RunningBroker;

  beforeAll(async () => {
    broker = await RunningBroker.start();
  });

  afterAll(() => broker.stop());

  it('lists the live brokers and names the store', async () => {
    await broker.put('/v1/subscriptions/orders/billing', { mode: 'pull' });
    await broker.post('/v1/subscriptions/orders/billing/receive');
    const { body } = await broker.get('/v1/nodes');
    expect(body).toMatchObject({ storeId: broker.services.node.storeId, next: null });
    expect(body.items).toMatchObject([
      { id: broker.node.broker.id, url: broker.url, version: 'test', subscriptions: 1 },
    ]);
    expect(JSON.stringify(body)).not.toContain(broker.services.node.secret);
  });

  it('is live and ready, and shows store, engine and durability', async () => {
    expect((await broker.get('/health/live')).body).toEqual({ status: 'live' });
    expect((await broker.get('/health/ready')).body).toMatchObject({
      status: 'ready',
      store: { ok: true, description: expect.stringContaining('SQLite') },
      engine: { ok: true, name: 'memory' },
      durability: { ok: true, asked: 'flushed', actual: 'flushed', weakenedBy: [] },
    });
  });

  it('tells Prometheus all that docs/metrics.md lists, and nothing else of its own', async () => {
    const { text } = await broker.get('/metrics');
    const told = [...text.matchAll(/^# TYPE (halfbox_\w+) (\w+)$/gm)].map((match) => [match[1], match[2]]);
    const page = readFileSync(join(__dirname, '../../docs/metrics.md'), 'utf8');
    const listed = [...page.matchAll(/^\| `(halfbox_\w+)` +\| (\w+)/gm)].map((match) => [match[1], match[2]]);
    expect(listed.sort()).toEqual(told.sort());
  });

  it('counts for Prometheus', async () => {
    await broker.post('/v1/messages', { topic: 'orders', body: 1 });
    const { id } = (
      await broker.post('/v1/transactions', { producer: 'shop', messages: [{ topic: 'orders', body: 1 }] })
    ).body;
    await broker.post(`/v1/transactions/${id}/commit`);
    const { text, headers } = await broker.get('/metrics');
    expect(headers.get('content-type')).toMatch(/^text\/plain/);
    expect(text).toMatch(/^halfbox_transactions_total\{state="committed",resolver="client"\} [1-9]/m);
    expect(text).toMatch(/^halfbox_backlog_messages\{topic="orders",group="billing"\} \d/m);
    for (const name of [
      'halfbox_batch_size',
      'halfbox_store_seconds',
      'process_cpu_seconds_total',
      'halfbox_open_transactions',
    ]) {
      expect(text).toContain(`# TYPE ${name}`);
    }
  });
});

describe('a store that is less durable than asked', () => {
  it('is not ready, and names what to change', async () => {
    const broker = await start({ durability: 'replicated' });
    const { status, body, headers } = await broker.get('/health/ready');
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('1');
    expect(body.detail).toContain('HALFBOX_DURABILITY');
    expect(body.durability).toMatchObject({ ok: false, asked: 'replicated', actual: 'flushed' });
    expect((await broker.get('/health/live')).status).toBe(200);
    const sent = await broker.post('/v1/messages', { topic: 'orders', body: 1 });
    expect([sent.status, sent.body.durability]).toEqual([201, 'flushed']);
  });
});

describe('an engine that is away', () => {
  it('is shown, while prepare, commit and sends go on', async () => {
    const broker = await start({ redisUrl: 'redis://127.0.0.1:9' });
    const { status, body } = await broker.get('/health/ready');
    expect([status, body.engine.ok, body.engine.name]).toEqual([200, false, 'bull']);
    await broker.put('/v1/subscriptions/orders/worker', { mode: 'queue' });
    const { id } = (
      await broker.post('/v1/transactions', { producer: 'shop', messages: [{ topic: 'orders', body: 1 }] })
    ).body;
    expect((await broker.post(`/v1/transactions/${id}/commit`)).status).toBe(200);
    expect((await broker.post('/v1/messages', { topic: 'orders', body: 1 })).status).toBe(201);
    expect((await broker.get('/v1/subscriptions/orders/worker')).body.backlog).toBe(2);
  });
});

describe('too many requests at once', () => {
  it('are 429 with Retry-After, and the others are done', async () => {
    const broker = await start({ pendingMax: 2 });
    const send = (n: number) => broker.post('/v1/messages', { id: `m${n}`, topic: 'orders', body: n });
    await send(0);
    const { half } = broker.services.store;
    const append = half.append.bind(half);
    let goOn = (): void => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    jest.spyOn(half, 'append').mockImplementation(async (...batch) => {
      await held;
      return append(...batch);
    });
    const answers = [1, 2, 3].map(send);
    const first = await Promise.race(answers);
    expect([first.status, first.body.type]).toEqual([429, 'urn:halfbox:problem:overloaded']);
    expect(first.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    goOn();
    expect((await Promise.all(answers)).map(({ status }) => status).sort()).toEqual([201, 201, 429]);
  });
});

describe('stopping', () => {
  it('answers those who wait for messages', async () => {
    const broker = await start();
    await broker.put('/v1/subscriptions/orders/billing', { mode: 'pull' });
    await broker.post('/v1/subscriptions/orders/billing/receive');
    const pull = jest.spyOn(broker.services.pull, 'receive');
    const waiting = broker.post('/v1/subscriptions/orders/billing/receive', { waitMs: 30_000 });
    await eventually('waiting call', async () => (pull.mock.calls.length > 0 ? true : undefined));
    const startedAt = Date.now();
    await Promise.all([broker.stop(), waiting.then(({ status }) => expect([200, 503]).toContain(status))]);
    expect(Date.now() - startedAt).toBeLessThan(8_000);
    await expect(broker.get('/health/live')).rejects.toThrow();
  });
});

describe('the log', () => {
  it('says nothing of a caller that leaves before its body has come', async () => {
    const lines: string[] = [];
    const write = (_: object, message: string): void => void lines.push(message);
    const broker = await start({}, { debug: write, info: write, warn: write, error: write });
    const before = lines.length;
    const connected = once(broker.node.http.app.getHttpServer() as Server, 'connection') as Promise<[Socket]>;
    const leaving = request(`${broker.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': '100' },
    });
    leaving.on('error', () => {});
    leaving.write('{');
    const [connection] = await connected;
    await eventually('the request in hand', async () => (broker.services.admission.requests === 1 ? true : undefined));
    const closed = once(connection, 'close');
    leaving.destroy();
    await closed;
    await eventually('its end', async () => (broker.services.admission.requests === 0 ? true : undefined));
    expect(lines.slice(before)).toEqual([]);
  });

  it('tells of failures, without bodies and secrets', async () => {
    const lines: string[] = [];
    const write = (fields: object, message: string): void => void lines.push(JSON.stringify(fields) + message);
    const logger: Logger = { debug: write, info: write, warn: write, error: write };
    const broker = await start({ apiKeys: 'all:top-secret-key:produce+consume+admin' }, logger);
    const authorization = { authorization: 'Bearer top-secret-key' };
    await broker.call('POST', '/v1/messages', { topic: 'orders', body: 'confidential' }, authorization);
    await broker.call('POST', '/v1/messages', { topic: '?', body: 'confidential' }, authorization);
    // A defect, for once: everything that is not a refusal must end in the log.
    jest.spyOn(broker.services.store.lookup, 'getMessage').mockRejectedValue(new Error('defect'));
    const failed = await broker.call('GET', '/v1/messages/a', undefined, authorization);
    expect([failed.status, failed.body.type]).toEqual([500, 'urn:halfbox:problem:internal']);
    expect(failed.text).not.toContain('defect');
    const log = lines.join('\n');
    expect(log).toContain('a request failed');
    expect(log).not.toContain('confidential');
    expect(log).not.toContain('top-secret-key');
    expect(log).not.toContain(broker.services.node.secret);
  });
});
