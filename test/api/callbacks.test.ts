import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { eventually } from '../system/broker-process.js';
import { RunningBroker } from './running-broker.js';

interface Asked {
  path: string;
  headers: Record<string, string>;
  // Bodies are checked by the assertions of each test.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any;
  text: string;
}

/** An application that is called back. */
class Application {
  readonly asked: Asked[] = [];
  answer: (asked: Asked) => { status: number; body?: string } = () => ({ status: 200 });

  private constructor(private readonly server: Server) {
    server.on('request', (request: IncomingMessage, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const headers = request.headers as Record<string, string>;
        const asked = { path: request.url ?? '', headers, body: JSON.parse(text), text };
        this.asked.push(asked);
        const { status, body } = this.answer(asked);
        response.writeHead(status, { 'content-type': 'application/json' }).end(body ?? '');
      });
    });
  }

  static async start(): Promise<Application> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Application(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as { port: number }).port}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

describe('calls of the broker to applications', () => {
  let broker: RunningBroker;
  let application: Application;

  beforeAll(async () => {
    broker = await RunningBroker.start();
    application = await Application.start();
  });

  afterAll(async () => {
    await broker.stop();
    application.stop();
  });

  const verified = (asked: Asked, secret: string) => new Webhook(secret).verify(asked.text, asked.headers);

  it('a silent producer is asked, signed, and its answer resolves the transaction', async () => {
    const checkBack = { type: 'http', url: `${application.url}/check` };
    const { secret } = (await broker.put('/v1/producers/shop', { checkBack, firstCheckAfterMs: 100 })).body;
    application.answer = ({ body }) => ({
      status: 200,
      body: JSON.stringify({ resolution: body.messages[0].body === 'yes' ? 'commit' : 'rollback' }),
    });
    for (const [id, body, state] of [
      ['said-yes', 'yes', 'committed'],
      ['said-no', 'no', 'rolled_back'],
    ] as const) {
      await broker.post('/v1/transactions', { id, producer: 'shop', messages: [{ topic: 'orders', key: 'k', body }] });
      const shown = await eventually('resolved transaction', async () => {
        const answer = await broker.get(`/v1/transactions/${id}`);
        return answer.body.state === 'prepared' ? undefined : answer.body;
      });
      expect(shown).toMatchObject({
        state,
        resolvedBy: 'check',
        checks: [{ attempt: 1, outcome: body === 'yes' ? 'commit' : 'rollback' }],
      });
      const asked = application.asked.find((call) => call.body.transactionId === id)!;
      expect(asked.body).toMatchObject({
        producer: 'shop',
        attempt: 1,
        messages: [{ topic: 'orders', key: 'k', body }],
      });
      expect(verified(asked, secret)).toBeTruthy();
    }
  });

  it('`check` asks now and waits for the answer; bytes go as base64', async () => {
    application.answer = () => ({ status: 200, body: '{"resolution":"unknown"}' });
    const checkBack = { type: 'http', url: `${application.url}/check` };
    await broker.put('/v1/producers/slow', { checkBack, firstCheckAfterMs: 3_600_000 });
    const messages = [{ topic: 'orders', bodyBase64: 'AP8=' }];
    const { id } = (await broker.post('/v1/transactions', { producer: 'slow', messages })).body;
    const unknown = await broker.post(`/v1/transactions/${id}/check`);
    expect(unknown.body).toMatchObject({ state: 'prepared', checks: [{ attempt: 1, outcome: 'unknown' }] });
    expect(application.asked.at(-1)!.body.messages[0]).toMatchObject({ bodyBase64: 'AP8=' });
    application.answer = () => ({ status: 500 });
    const failed = await broker.post(`/v1/transactions/${id}/check`);
    expect(failed.body.checks[1]).toMatchObject({ attempt: 2, error: expect.any(String) });
    application.answer = () => ({ status: 200, body: '{"resolution":"commit"}' });
    const resolved = await broker.post(`/v1/transactions/${id}/check`);
    expect(resolved.body).toMatchObject({ state: 'committed', resolvedBy: 'check' });
    expect(resolved.body.checks).toHaveLength(3);
    const final = await broker.post(`/v1/transactions/${id}/check`);
    expect(final.body.checks).toHaveLength(3);
  });

  it('a transaction whose checks ran out is parked, listed, and resolved by an operator', async () => {
    application.answer = () => ({ status: 200, body: '{"resolution":"unknown"}' });
    const checkBack = { type: 'http', url: `${application.url}/check` };
    await broker.put('/v1/producers/lost', { checkBack, firstCheckAfterMs: 100, checkIntervalMs: 100, checkMax: 1 });
    const messages = [{ id: 'parked-1', topic: 'orders', body: 1 }];
    await broker.post('/v1/transactions', { id: 'parked', producer: 'lost', messages });
    await eventually('parked transaction', async () => {
      const { body } = await broker.get('/v1/transactions?state=parked&producer=lost');
      return body.items.length === 1 ? true : undefined;
    });
    expect((await broker.get('/v1/messages/parked-1')).body.state).toBe('parked');
    const resolved = await broker.post('/v1/transactions/parked/commit', { by: 'operator', reason: 'it was paid' });
    expect(resolved.body).toMatchObject({ state: 'committed', resolvedBy: 'operator' });
    expect((await broker.get('/v1/messages/parked-1')).body.state).toBe('visible');
  });

  it('pushes are signed and carry the whole message; 2xx acks, 410 pauses', async () => {
    application.answer = () => ({ status: 204 });
    const push = { url: `${application.url}/push` };
    const { secret } = (await broker.put('/v1/subscriptions/pushed/mailer', { mode: 'push', push })).body;
    await broker.post('/v1/messages', { id: 'p1', topic: 'pushed', tag: 't', headers: { a: 'b' }, body: { n: 1 } });
    const backlog = (expected: number) =>
      eventually(`backlog of ${expected}`, async () => {
        const { body } = await broker.get('/v1/subscriptions/pushed/mailer');
        return body.backlog === expected && body.inFlight === 0 ? true : undefined;
      });
    await eventually('push', async () => application.asked.find(({ path }) => path === '/push'));
    await backlog(0);
    const asked = application.asked.find(({ path }) => path === '/push')!;
    expect(verified(asked, secret)).toBeTruthy();
    expect(asked.body).toMatchObject({
      id: 'p1',
      topic: 'pushed',
      tag: 't',
      headers: { a: 'b' },
      attempt: 1,
      body: { n: 1 },
    });
    expect(asked.body).toMatchObject({ shard: expect.any(Number), offset: 0, bornAt: expect.any(String) });

    application.answer = () => ({ status: 410 });
    await broker.post('/v1/messages', { topic: 'pushed', body: 2 });
    const paused = await eventually('paused subscription', async () => {
      const { body } = await broker.get('/v1/subscriptions/pushed/mailer');
      return body.paused ? body : undefined;
    });
    expect(paused.pausedReason).toContain('410');
    const resumed = await broker.post('/v1/subscriptions/pushed/mailer/resume');
    expect(resumed.body).toMatchObject({ paused: false });
    expect(resumed.body).not.toHaveProperty('pausedReason');
  });

  it('a subscription for broadcasting goes when it was idle for too long', async () => {
    await broker.put('/v1/subscriptions/broadcast/instance', { mode: 'pull', expiresAfterIdleMs: 1_000 });
    expect((await broker.get('/v1/subscriptions/broadcast/instance')).status).toBe(200);
    await eventually('removed subscription', async () =>
      (await broker.get('/v1/subscriptions/broadcast/instance')).status === 404 ? true : undefined,
    );
  });
});
