import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { eventually } from '../system/broker-process.js';
import { RunningBroker } from './running-broker.js';

const waitMs = 10;
const sending = { topic: 'orders', body: 1 };

/** Holds what is stored and made visible until it is told to go on. */
function holdStore(broker: RunningBroker): () => void {
  const { half } = broker.services.store;
  const append = half.append.bind(half);
  let goOn = (): void => {};
  const held = new Promise<void>((resolve) => (goOn = resolve));
  const spy = jest.spyOn(half, 'append').mockImplementation(async (...batch) => {
    await held;
    return append(...batch);
  });
  return () => {
    spy.mockRestore();
    goOn();
  };
}

/** A connection on which bytes are sent as they are. */
class Line {
  #received = '';

  private constructor(private readonly socket: Socket) {
    socket.on('data', (bytes: Buffer) => (this.#received += bytes.toString()));
  }

  static async to(broker: RunningBroker): Promise<Line> {
    const { hostname, port } = new URL(broker.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    return new Line(socket);
  }

  send(text: string): void {
    this.socket.write(text);
  }

  /** The headers of a call with new work, without its body. */
  announce(bytes: number): void {
    this.send(
      `POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n`,
    );
  }

  /** Resolves when the text has come. */
  receive(text: string): Promise<string> {
    return eventually(text, async () => (this.#received.includes(text) ? this.#received : undefined));
  }

  /** Leaves without a farewell. */
  leave(): void {
    this.socket.destroy();
  }
}

describe('an overload', () => {
  let broker: RunningBroker;

  beforeEach(async () => {
    broker = await RunningBroker.start({ requestsInHandMin: 2, requestBytesInHandMin: 0, requestWaitMsMax: waitMs });
    await broker.put('/v1/subscriptions/orders/billing', { mode: 'pull' });
    expect((await broker.post('/v1/messages', sending)).status).toBe(201);
  });

  afterEach(() => broker.stop());

  const inHand = (count: number) =>
    eventually(`${count} in hand`, async () => (broker.services.admission.requests === count ? true : undefined));

  /** Two sends that are in hand, and have been for so long that no other is taken. */
  const crowd = async () => {
    const sends = [1, 2].map(() => broker.post('/v1/messages', sending));
    await inHand(2);
    const crowdedAt = performance.now();
    await eventually('a wait', async () => (performance.now() - crowdedAt > waitMs ? true : undefined));
    return sends;
  };

  it('refuses new work before its body is sent, and the connection can be used again', async () => {
    const goOn = holdStore(broker);
    const sends = await crowd();
    const line = await Line.to(broker);
    line.announce(1_000);
    const refusal = await line.receive('"type":"urn:halfbox:problem:overloaded"');
    expect(refusal).toMatch(/^HTTP\/1\.1 429 /);
    expect(refusal).toMatch(/\r\nretry-after: ([1-9]|10)\r\n/);
    expect(refusal).toMatch(/\r\ncontent-type: application\/problem\+json/);
    line.send(`${'x'.repeat(1_000)}GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    await line.receive('HTTP/1.1 200 ');
    line.leave();
    for (const [path, body] of [
      ['/v1/transactions', { producer: 'shop', messages: [sending] }],
      ['/v1/transactions/batch', { prepare: [], commit: ['a'], rollback: [] }],
    ] as const) {
      const { status, headers } = await broker.post(path, body);
      expect([path, status, headers.get('retry-after')]).toEqual([path, 429, expect.stringMatching(/^([1-9]|10)$/)]);
    }
    goOn();
    expect((await Promise.all(sends)).map(({ status }) => status)).toEqual([201, 201]);
    expect(broker.services.admission.requests).toBe(0);
    expect((await broker.post('/v1/messages', sending)).status).toBe(201);
    expect((await broker.get('/metrics')).text).toContain('\nhalfbox_refused_requests_total 3\n');
  });

  it('goes on with what ends work', async () => {
    const prepared = await broker.post('/v1/transactions', { producer: 'shop', messages: [sending] });
    const path = '/v1/subscriptions/orders/billing';
    const goOn = holdStore(broker);
    const sends = await crowd();
    const commit = broker.post(`/v1/transactions/${prepared.body.id}/commit`);
    const received = await broker.post(`${path}/receive`, { waitMs: 5_000 });
    expect([received.status, received.body.deliveries.length]).toEqual([200, 1]);
    const receipts = [received.body.deliveries[0].receipt];
    expect((await broker.post(`${path}/ack`, { receipts })).body.results).toMatchObject([{ ok: true }]);
    expect((await broker.get(path)).status).toBe(200);
    expect((await broker.post('/v1/messages', sending)).status).toBe(429);
    goOn();
    expect((await Promise.all([commit, ...sends])).map(({ status }) => status)).toEqual([200, 201, 201]);
  });

  it('forgets a caller that leaves before its body has come; the work of one that leaves later is in hand till it is done', async () => {
    const early = await Line.to(broker);
    early.announce(1_000);
    await inHand(1);
    early.leave();
    await inHand(0);

    const goOn = holdStore(broker);
    const append = jest.mocked(broker.services.store.half.append);
    const connected = once(broker.node.http.app.getHttpServer() as Server, 'connection') as Promise<[Socket]>;
    const late = await Line.to(broker);
    const [connection] = await connected;
    const body = JSON.stringify(sending);
    late.announce(body.length);
    late.send(body);
    await eventually('a write', async () => (append.mock.calls.length > 0 ? true : undefined));
    const closed = once(connection, 'close');
    late.leave();
    await closed;
    expect(broker.services.admission.requests).toBe(1);
    goOn();
    await inHand(0);
  });
});
