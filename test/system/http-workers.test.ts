import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { WebSocket } from 'ws';
import { sqliteServer } from '../store/databases.js';
import { BrokerProcess, eventually } from './broker-process.js';

function childrenOf({ child: { pid } }: BrokerProcess): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A broker whose HTTP is read by processes of its own. */
describe('a broker with HTTP workers', () => {
  jest.setTimeout(120_000);
  let place: { url: string; remove(): Promise<void> };
  let broker: BrokerProcess;
  const key = 'all:secret:produce+consume+admin';

  const start = async (environment: Record<string, string> = {}) => {
    broker = await BrokerProcess.start({ HALFBOX_STORE_URL: place.url, HALFBOX_WORKERS: '2', ...environment });
    // The first worker answers before the second one listens.
    await eventually('greeting', async () => (broker.printed.includes('listens on') ? true : undefined));
  };
  /** The first answer of a request whose body is never sent whole. */
  const answerBeforeTheBody = async (headers: Record<string, string>): Promise<IncomingMessage> => {
    const sending = request(`${broker.url}/v1/messages`, { method: 'POST', headers });
    sending.on('error', () => {});
    const answered = once(sending, 'response');
    sending.write('{');
    const [answer] = (await answered) as [IncomingMessage];
    answer.resume();
    sending.destroy();
    return answer;
  };
  const receive = async () => {
    const { status, body } = await broker.post('/v1/subscriptions/orders/billing/receive', { waitMs: 10_000 });
    expect(status).toBe(200);
    return (body as { deliveries: { receipt: string; attempt: number; message: { body: unknown } }[] }).deliveries;
  };

  beforeEach(async () => {
    place = await sqliteServer.provide();
  });

  afterEach(async () => {
    await broker.kill();
    await place.remove();
  });

  it('serves everything that one without them serves', async () => {
    await start();
    expect(childrenOf(broker)).toHaveLength(2);
    await broker.put('/v1/subscriptions/orders/billing', { mode: 'pull', startFrom: 'earliest' });
    await broker.commitTransaction('orders', [{ text: 'é' }]);
    const [delivery] = await receive();
    expect(delivery).toMatchObject({ attempt: 1, message: { body: { text: 'é' } } });
    const acked = await broker.post('/v1/subscriptions/orders/billing/ack', { receipts: [delivery!.receipt] });
    expect(acked.body).toEqual({ results: [{ receipt: delivery!.receipt, ok: true }] });
    expect(await broker.post('/v1/transactions', { producer: 1 })).toMatchObject({
      status: 400,
      body: { errors: expect.arrayContaining([expect.objectContaining({ path: 'producer' })]) as unknown },
    });
    const metrics = await fetch(`${broker.url}/metrics`);
    expect(await metrics.text()).toContain('halfbox_');
    const head = await fetch(`${broker.url}/docs`, { method: 'HEAD' });
    expect([head.status, Number(head.headers.get('content-length'))]).toEqual([200, expect.any(Number)]);
  });

  it('keeps no body of a caller that it does not know, and none that is too large', async () => {
    await start({ HALFBOX_API_KEYS: key });
    const json = { 'content-type': 'application/json', 'content-length': '1000' };
    const stranger = await answerBeforeTheBody(json);
    expect([stranger.statusCode, stranger.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    const known = { ...json, authorization: 'Bearer secret' };
    const large = await answerBeforeTheBody({ ...known, 'content-length': String(17 * 1024 * 1024) });
    expect([large.statusCode, large.headers['connection']]).toEqual([413, 'close']);
    const piece = Buffer.alloc(1024 * 1024, ' ');
    const sending = request(`${broker.url}/v1/messages`, {
      ...{ method: 'POST', headers: { authorization: known.authorization, 'content-type': 'application/json' } },
    });
    // The worker ends the connection while it is still being sent to.
    sending.on('error', () => {});
    const answered = once(sending, 'response');
    for (let pieces = 0; pieces < 17; pieces += 1) sending.write(piece);
    const [chunked] = (await answered) as [IncomingMessage];
    chunked.resume();
    sending.destroy();
    expect([chunked.statusCode, chunked.headers['connection']]).toEqual([413, 'close']);
  });

  it('asks producers over streams that were opened at a worker', async () => {
    await start();
    const stream = new WebSocket(`${broker.url.replace('http', 'ws')}/v1/producers/shop/checks?instance=a`);
    stream.on('message', (data: Buffer) => {
      const { type, id } = JSON.parse(data.toString()) as { type: string; id: string };
      if (type === 'question') stream.send(JSON.stringify({ type: 'answer', id, resolution: 'commit' }));
    });
    await once(stream, 'open');
    const messages = [{ topic: 'orders', body: 1 }];
    const prepared = await broker.post('/v1/transactions', { producer: 'shop', instance: 'a', messages });
    const { id } = prepared.body as { id: string };
    expect((await broker.post(`/v1/transactions/${id}/check`)).body).toMatchObject({ state: 'committed' });
    const closed = once(stream, 'close');
    expect(await broker.stop()).toBe(0);
    expect((await closed)[0]).toBe(1001);
  });

  it('replaces a worker that is killed, and loses nothing', async () => {
    await start();
    await broker.put('/v1/subscriptions/orders/billing', { mode: 'pull', startFrom: 'earliest' });
    const before = childrenOf(broker);
    await broker.commitTransaction('orders', ['before']);
    process.kill(before[0]!, 'SIGKILL');
    const after = await eventually('new worker', async () => {
      const now = childrenOf(broker);
      return now.length === 2 && now.some((pid) => !before.includes(pid)) ? now : undefined;
    });
    expect(after).toContain(before[1]);
    process.kill(before[1]!, 'SIGKILL');
    // Only the new one is left: it answers.
    await eventually('answer of the new worker', () =>
      broker.commitTransaction('orders', ['after']).catch(() => undefined),
    );
    const bodies = new Set<unknown>();
    while (!bodies.has('before') || !bodies.has('after')) {
      for (const { message } of await receive()) bodies.add(message.body);
    }
  });

  it('gives nothing to a receive whose caller has gone, however that was written', async () => {
    await start({ HALFBOX_WORKERS: '1' });
    await broker.put('/v1/subscriptions/orders/billing', { mode: 'pull', startFrom: 'earliest' });
    for (const type of ['application/json', 'application/json;charset=UTF-8', 'APPLICATION/JSON; charset="utf-8"']) {
      // A receive that had not begun when its caller went takes nothing either, so one round shows nothing; all would fail.
      await eventually(`message that no caller of ${type} took away`, async () => {
        const { port } = new URL(broker.url);
        const path = '/v1/subscriptions/orders/billing/receive';
        const leaving = request({ host: '127.0.0.1', port, method: 'POST', path, headers: { 'content-type': type } });
        leaving.on('error', () => {});
        await new Promise<void>((resolve) => leaving.end('{"waitMs":20000}', resolve));
        // The worker has read what it was sent before it answers this.
        await broker.get('/health/live');
        leaving.destroy();
        await broker.get('/health/live');
        await broker.post('/v1/messages', { topic: 'orders', body: type });
        const answer = await broker.post(path, { max: 100, waitMs: 1_000 });
        const { deliveries } = answer.body as { deliveries: { attempt: number; message: { body: unknown } }[] };
        return deliveries.some(({ attempt, message }) => attempt === 1 && message.body === type) ? true : undefined;
      });
    }
  });

  it('counts what its workers refuse', async () => {
    const bytes = String(16 * 1024 * 1024);
    await start({ HALFBOX_WORKERS: '1', HALFBOX_REQUEST_BYTES_IN_HAND_MAX: bytes });
    const headers = { 'content-type': 'application/json', 'content-length': bytes };
    const inHand = request(`${broker.url}/v1/messages`, {
      method: 'POST',
      headers: { ...headers, expect: '100-continue' },
    });
    inHand.on('error', () => {});
    inHand.flushHeaders();
    await once(inHand, 'continue');
    expect((await answerBeforeTheBody(headers)).statusCode).toBe(429);
    await eventually('the count', async () => {
      const metrics = await (await fetch(`${broker.url}/metrics`)).text();
      return metrics.includes('\nhalfbox_refused_requests_total 1\n') ? true : undefined;
    });
    inHand.destroy();
  });

  it('answers what is in hand when the signal to stop goes to its workers too', async () => {
    await start();
    await broker.put('/v1/subscriptions/orders/billing', { mode: 'pull' });
    const path = '/v1/subscriptions/orders/billing/receive';
    const waiting = broker.post(path, { waitMs: 20_000 });
    await broker.get('/health/live');
    for (const pid of childrenOf(broker)) process.kill(pid, 'SIGTERM');
    expect(await broker.stop()).toBe(0);
    // 200 with nothing where it had begun, 503 where not: never a connection that breaks.
    expect([200, 503]).toContain((await waiting).status);
  });

  it('does not wait for a worker that is just being started', async () => {
    await start({ HALFBOX_SHUTDOWN_MS: '600000' });
    const before = childrenOf(broker);
    process.kill(before[0]!, 'SIGKILL');
    await eventually('new worker', async () =>
      childrenOf(broker).some((pid) => !before.includes(pid)) ? true : undefined,
    );
    expect(await broker.stop()).toBe(0);
  });

  it('has no settings and no secrets in the environment of its workers', async () => {
    await start({ HALFBOX_API_KEYS: key, SOMETHING_SECRET: 'hidden' });
    const environments = childrenOf(broker).map((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8'));
    for (const environment of environments) expect(environment).not.toMatch(/HALFBOX|secret|hidden/i);
  });

  it('ends its workers with it, however it ends', async () => {
    await start();
    const killed = childrenOf(broker);
    await broker.kill();
    await eventually('end of the workers', async () => (killed.some(runs) ? undefined : true));
    await start();
    const stopped = childrenOf(broker);
    const waiting = broker.post('/v1/subscriptions/orders/billing/receive', { waitMs: 20_000 });
    await broker.put('/v1/subscriptions/orders/billing', { mode: 'pull' });
    expect(await broker.stop()).toBe(0);
    await waiting.catch(() => {});
    expect(stopped.filter(runs)).toEqual([]);
  });

  it('tells that its address is taken', async () => {
    const other = createServer((connection) => connection.destroy()).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(start({ HALFBOX_PORT: String(port) })).rejects.toThrow(/halfbox: .*EADDRINUSE.*127\.0\.0\.1/);
    other.close();
    await start({ HALFBOX_PORT: String(port) });
  });
});
