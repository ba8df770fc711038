import { Webhook } from 'standardwebhooks';
import { RunningBroker } from '../api/running-broker.js';
import { answering, TargetServer, type ReceivedCall } from '../callback/target-server.js';
import { until } from './handed-subscription.js';

const bodyOf = ({ text }: ReceivedCall) => (JSON.parse(text) as { body: { n: number } }).body;

/** A whole broker calls real servers: push targets and producers. */
describe('callbacks of a running broker', () => {
  let broker: RunningBroker;
  const servers: TargetServer[] = [];
  beforeAll(async () => {
    broker = await RunningBroker.start({ allowPrivateTargets: true });
  });
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });
  afterAll(() => broker.stop());

  async function server(reply: TargetServer['reply']): Promise<TargetServer> {
    const made = await new TargetServer(reply).listen();
    servers.push(made);
    return made;
  }

  const send = (topic: string, count: number, orderingKey?: string) =>
    broker.post('/v1/messages', {
      messages: Array.from({ length: count }, (_, n) => ({ topic, ...(orderingKey && { orderingKey }), body: { n } })),
    });

  const subscription = async (path: string) => (await broker.get(`/v1/subscriptions/${path}`)).body;

  const untilState = async (path: string, holds: (state: Record<string, unknown>) => boolean) => {
    const deadline = performance.now() + 10_000;
    let state = (await subscription(path)) as Record<string, unknown>;
    while (!holds(state)) {
      if (performance.now() > deadline) throw new Error(`waited in vain: ${JSON.stringify(state)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      state = (await subscription(path)) as Record<string, unknown>;
    }
    return state;
  };

  it('pushes messages, signed by the secret that PUT answered, and settles them', async () => {
    const target = await server(answering(200));
    const put = await broker.put('/v1/subscriptions/pushed/mail', { mode: 'push', push: { url: target.url } });
    expect(put.status).toBe(200);
    await send('pushed', 20);
    await until(() => target.calls.length === 20);
    const secret = (put.body as { secret: string }).secret;
    for (const call of target.calls) new Webhook(secret).verify(call.text, call.headers);
    expect(target.calls.map((call) => bodyOf(call).n).sort((a, b) => a - b)).toEqual([...Array(20).keys()]);
    await untilState('pushed/mail', ({ backlog }) => backlog === 0);

    const rotated = await broker.post('/v1/subscriptions/pushed/mail/rotate-secret');
    const newer = (rotated.body as { secret: string }).secret;
    await send('pushed', 1);
    await until(() => target.calls.length === 21);
    const last = target.calls.at(-1)!;
    new Webhook(newer).verify(last.text, last.headers);
    new Webhook(secret).verify(last.text, last.headers);
  });

  it('pushes again what failed, one at a time and in order per ordering key', async () => {
    const handled: number[] = [];
    let failures = 3;
    const target = await server((call, response) => {
      const fails = bodyOf(call).n === 2 && failures-- > 0;
      if (!fails) handled.push(bodyOf(call).n);
      response.writeHead(fails ? 500 : 200).end();
    });
    await broker.put('/v1/subscriptions/ordered/mail', {
      mode: 'push',
      push: { url: target.url },
      retry: { fixedMs: 50 },
    });
    await send('ordered', 6, 'customer-1');
    await until(() => handled.length === 6);
    expect(handled).toEqual([0, 1, 2, 3, 4, 5]);
    expect(
      target.calls.filter((call) => bodyOf(call).n === 2).map(({ headers }) => headers['halfbox-attempt']),
    ).toEqual(['1', '2', '3', '4']);
    expect(
      new Set(target.calls.filter((call) => bodyOf(call).n === 2).map(({ headers }) => headers['webhook-id'])).size,
    ).toBe(1);
    expect(target.concurrencyMax).toBe(1);
  });

  it('pauses a subscription whose target is gone and says so; resumed, it goes on', async () => {
    const target = await server(answering(410));
    await broker.put('/v1/subscriptions/gone/mail', {
      mode: 'push',
      push: { url: target.url, concurrency: 1 },
      retry: { fixedMs: 50 },
    });
    await send('gone', 3);
    const state = await untilState('gone/mail', ({ paused }) => paused === true);
    expect(JSON.stringify(state)).toContain('410 Gone');
    expect(state['backlog']).toBe(3);
    expect(target.calls.length).toBeLessThanOrEqual(2);

    target.reply = answering(200);
    await broker.post('/v1/subscriptions/gone/mail/resume');
    const resumed = await untilState('gone/mail', ({ backlog }) => backlog === 0);
    expect(resumed['paused']).toBe(false);
  });

  it('forwards to another topic, in order per key, with the origin in a header', async () => {
    await broker.put('/v1/topics/small', { shards: 1 });
    await broker.put('/v1/topics/roomy', { shards: 4 });
    await broker.put('/v1/subscriptions/roomy/mail', { mode: 'pull' });
    await broker.put('/v1/subscriptions/small/mover', { mode: 'forward', forward: { topic: 'roomy' } });
    const sent = await send('small', 10, 'customer-1');
    const got: { headers: Record<string, string>; body: { n: number } }[] = [];
    while (got.length < 10) {
      const { body } = await broker.post('/v1/subscriptions/roomy/mail/receive', { max: 10, waitMs: 5_000 });
      const { deliveries } = body as { deliveries: { receipt: string; message: (typeof got)[number] }[] };
      expect(deliveries.length).toBeGreaterThan(0);
      got.push(...deliveries.map(({ message }) => message));
      await broker.post('/v1/subscriptions/roomy/mail/ack', { receipts: deliveries.map(({ receipt }) => receipt) });
    }
    expect(got.map(({ body }) => body.n)).toEqual([...Array(10).keys()]);
    const ids = (sent.body as { messages: { id: string }[] }).messages.map(({ id }) => id);
    expect(got.map(({ headers }) => headers['halfbox-origin-id'])).toEqual(ids);
    await untilState('small/mover', ({ backlog }) => backlog === 0);

    const loop = await broker.put('/v1/subscriptions/roomy/back', { mode: 'forward', forward: { topic: 'small' } });
    expect(loop.status).toBe(400);
  });

  it('asks a silent producer and commits by its answer', async () => {
    const producer = await server(answering(200, '{"resolution":"commit"}'));
    const put = await broker.put('/v1/producers/shop', {
      checkBack: { type: 'http', url: producer.url },
      firstCheckAfterMs: 100,
    });
    const prepared = await broker.post('/v1/transactions', {
      producer: 'shop',
      messages: [{ topic: 'checked', body: { n: 1 } }],
    });
    const { id } = prepared.body as { id: string };
    await until(() => producer.calls.length === 1);
    const [call] = producer.calls;
    new Webhook((put.body as { secret: string }).secret).verify(call!.text, call!.headers);
    const deadline = performance.now() + 5_000;
    let view = (await broker.get(`/v1/transactions/${id}`)).body;
    while (view.state === 'prepared' && performance.now() < deadline) {
      view = (await broker.get(`/v1/transactions/${id}`)).body;
    }
    expect(view).toMatchObject({
      state: 'committed',
      resolvedBy: 'check',
      checks: [{ attempt: 1, outcome: 'commit' }],
    });
  });
});
