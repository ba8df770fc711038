import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { mysqlServer } from '../store/databases.js';
import { eventually } from '../system/broker-process.js';
import { RunningBroker } from './running-broker.js';

/** Passes bytes on to the database, until it is cut. */
class Cable {
  readonly #sockets = new Set<Socket>();
  #cut = false;

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {
    server.on('connection', (socket) => this.#pass(socket));
  }

  static async to(target: URL): Promise<Cable> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Cable(server, target);
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#cut = false;
  }

  close(): void {
    this.cut();
    this.server.close();
  }

  #pass(near: Socket): void {
    if (this.#cut) return void near.destroy();
    const far = connect(Number(this.target.port), this.target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}

describe('a store that is away', () => {
  jest.setTimeout(60_000);
  let place: { url: string; remove(): Promise<void> };
  let cable: Cable;
  let broker: RunningBroker;

  beforeAll(async () => {
    place = await mysqlServer.provide();
    const url = new URL(place.url);
    cable = await Cable.to(new URL(place.url));
    url.hostname = '127.0.0.1';
    url.port = String(cable.port);
    broker = await RunningBroker.start({ storeUrl: url.href });
  });

  afterAll(async () => {
    cable.mend();
    await broker.stop();
    cable.close();
    await place.remove();
  });

  it('answers 503 with Retry-After to every call, is not ready, and goes on afterwards with nothing half-done', async () => {
    const message = { topic: 'orders', body: 1 };
    await broker.post('/v1/transactions', { id: 'before', producer: 'shop', messages: [message] });
    cable.cut();
    const calls: [string, string, object?][] = [
      ['POST', '/v1/transactions', { id: 'during', producer: 'shop', messages: [{ id: 'm', ...message }] }],
      ['POST', '/v1/transactions/before/commit'],
      ['POST', '/v1/messages', message],
      ['GET', '/v1/transactions/before'],
      ['PUT', '/v1/subscriptions/orders/late', { mode: 'pull' }],
      ['GET', '/v1/nodes'],
    ];
    for (const [method, path, body] of calls) {
      const answer = await broker.call(method, path, body);
      expect([path, answer.status, answer.body.type]).toEqual([path, 503, 'urn:halfbox:problem:unavailable']);
      expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
      expect(answer.text).not.toContain(String(cable.port));
    }
    const ready = await broker.get('/health/ready');
    expect([ready.status, ready.body.store.ok]).toEqual([503, false]);
    expect((await broker.get('/health/live')).status).toBe(200);

    cable.mend();
    await eventually('ready broker', async () =>
      (await broker.get('/health/ready')).status === 200 ? true : undefined,
    );
    expect((await broker.get('/v1/transactions/during')).status).toBe(404);
    expect((await broker.get('/v1/messages/m')).status).toBe(404);
    expect((await broker.get('/v1/transactions/before')).body.state).toBe('prepared');
    expect((await broker.post('/v1/transactions/before/commit')).body.state).toBe('committed');
  });
});
