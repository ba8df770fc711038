import { SettingsError } from '../../../src/config/settings-error.js';
import { RunningBroker } from '../../api/running-broker.js';
import { freePort } from '../../setup/private-server.mjs';

describe('a broker with named transports', () => {
  let broker: RunningBroker;

  beforeAll(async () => {
    const options = { host: '127.0.0.1', port: await freePort() };
    broker = await RunningBroker.start({
      microservices: { bus: { transport: 'tcp', options }, wire: { transport: 'tcp', options } },
      firstCheckAfterMs: 3_600_000,
    });
  });

  afterAll(() => broker.stop());

  it.each([
    [{ type: 'microservice', transport: 'tram', pattern: 'a' }, 'checkBack.transport'],
    [{ type: 'microservice', transport: 'b us', pattern: 'a' }, 'checkBack.transport'],
    [{ type: 'microservice', transport: 'bus' }, 'checkBack.pattern'],
    [{ type: 'microservice', transport: 'bus', pattern: 'with space' }, 'checkBack.pattern'],
    [{ type: 'microservice', transport: 'bus', pattern: 'a', url: 'http://x' }, 'checkBack.url'],
    [{ type: 'pigeon' }, 'checkBack.type'],
  ])('refuses the check-back %j at %s', async (checkBack, path) => {
    const { status, body } = await broker.put('/v1/producers/shop', { checkBack });
    expect([status, body.errors[0].path]).toEqual([400, path]);
  });

  it.each([
    [{ transport: 'tram', pattern: 'a' }, 'forward.transport'],
    [{ transport: 'bus' }, 'forward.pattern'],
    [{ pattern: 'a' }, 'forward.transport'],
    [{}, 'forward.topic'],
    [{ topic: 'not a topic' }, 'forward.topic'],
    [{ topic: 'archive', transport: 'bus', pattern: 'a' }, 'forward.topic'],
    [{ transport: 'bus', pattern: 'x'.repeat(257) }, 'forward.pattern'],
  ])('refuses the forward %j at %s', async (forward, path) => {
    const { status, body } = await broker.put('/v1/subscriptions/orders/out', { mode: 'forward', forward });
    expect([status, body.errors[0].path]).toEqual([400, path]);
  });

  it('says which transports there are', async () => {
    const checkBack = { type: 'microservice', transport: 'tram', pattern: 'a' };
    const { body } = await broker.put('/v1/producers/shop', { checkBack });
    expect(body.errors[0].reason).toBe('no such transport; the transports are bus, wire');
  });

  it('a producer that is asked over a transport has no secret', async () => {
    const checkBack = { type: 'microservice', transport: 'bus', pattern: 'orders.check' };
    const { status, body } = await broker.put('/v1/producers/shop', { checkBack });
    expect([status, body.checkBack, body.secret]).toEqual([200, checkBack, undefined]);
    expect((await broker.post('/v1/producers/shop/rotate-secret')).body.type).toBe('urn:halfbox:problem:no-secret');
  });

  it('a transport that this broker no longer names is unreachable', async () => {
    const checkBack = { type: 'microservice' as const, transport: 'gone', pattern: 'orders.check' };
    await broker.services.store.catalog.putProducer({ name: 'old', checkBack, createdAt: Date.now() }, undefined);
    await broker.post('/v1/transactions', { id: 't1', producer: 'old', messages: [{ topic: 'orders', body: 1 }] });
    const { body } = await broker.post('/v1/transactions/t1/check');
    expect(body.checks[0]).toMatchObject({ outcome: 'unreachable', error: 'this broker has no transport gone' });
  });

  it('a forward goes over to a topic and back while it runs', async () => {
    const put = (forward: object) => broker.put('/v1/subscriptions/news/out', { mode: 'forward', forward });
    await broker.put('/v1/subscriptions/archive/reader', { mode: 'pull' });
    expect((await put({ transport: 'wire', pattern: 'news' })).status).toBe(200);
    expect((await put({ topic: 'archive' })).body.forward).toEqual({ topic: 'archive' });
    await broker.post('/v1/messages', { topic: 'news', body: 1 });
    const { body } = await broker.post('/v1/subscriptions/archive/reader/receive', { waitMs: 10_000 });
    expect(body.deliveries[0].message.body).toBe(1);
  });
});

it('without the setting no transport can be named', async () => {
  const broker = await RunningBroker.start();
  const checkBack = { type: 'microservice', transport: 'bus', pattern: 'a' };
  const { body } = await broker.put('/v1/producers/shop', { checkBack });
  expect(body.errors[0].reason).toBe('no such transport; HALFBOX_MICROSERVICES names none');
  await broker.stop();
});

it('a package that is not installed stops the start and is named', async () => {
  const start = RunningBroker.start({ microservices: { stream: { transport: 'kafka' }, bus: { transport: 'redis' } } });
  await expect(start).rejects.toThrow(SettingsError);
  await expect(start).rejects.toThrow('HALFBOX_MICROSERVICES: stream (kafka) needs kafkajs: npm install kafkajs');
});
