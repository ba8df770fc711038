import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { json } from 'node:stream/consumers';
import { WebSocket, type ClientOptions } from 'ws';
import { problem } from '../../src/api/schemas/problem.js';
import { until } from '../queue/until.js';
import { RunningBroker } from './running-broker.js';

const keys = 'shop:shop-secret:produce,bank:bank-secret:produce,ops:ops-secret:admin,mail:mail-secret:consume';

/** How a try to open a stream ended: open, or refused with a problem. */
interface Try {
  status: number;
  slug?: string;
  headers?: NodeJS.Dict<string | string[]>;
  socket?: WebSocket;
}

/** Tries to open a stream with a plain WebSocket client. */
async function open(broker: RunningBroker, path: string, options: ClientOptions = {}): Promise<Try> {
  const socket = new WebSocket(broker.url.replace('http', 'ws') + path, options);
  const refused = new Promise<Try>((resolve, reject) => {
    socket.on('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (data: Buffer) => (text += data.toString()));
      response.on('end', () => {
        const isProblem = response.headers['content-type']?.startsWith('application/problem+json');
        const parsed = problem.safeParse(isProblem ? JSON.parse(text) : undefined);
        if (!parsed.success || parsed.data.status !== response.statusCode)
          return reject(new Error(`not a problem: ${text}`));
        const { type, status } = parsed.data;
        resolve({ status, slug: type.replace('urn:halfbox:problem:', ''), headers: response.headers });
      });
    });
  });
  const opened = once(socket, 'open').then((): Try => ({ status: 101, socket }));
  opened.catch(() => {});
  socket.on('error', () => {});
  return Promise.race([refused, opened]);
}

const asKey = (name: string): ClientOptions => ({ headers: { authorization: `Bearer ${name}-secret` } });

describe('opening a stream', () => {
  let broker: RunningBroker;
  const sockets: WebSocket[] = [];

  beforeAll(async () => {
    broker = await RunningBroker.start({ apiKeys: keys, autoCreate: false, streamsMax: 3, streamsPerProducerMax: 2 });
    await broker.call('PUT', '/v1/producers/shop', {}, { authorization: 'Bearer ops-secret' });
    await broker.call('PUT', '/v1/producers/bank', {}, { authorization: 'Bearer ops-secret' });
  });

  const tryOpen = async (path: string, options?: ClientOptions): Promise<Try> => {
    const tried = await open(broker, path, options);
    if (tried.socket) sockets.push(tried.socket);
    return tried;
  };
  const closeSockets = async (): Promise<void> => {
    for (const socket of sockets.splice(0)) socket.close();
    await until('closed streams', () => broker.node.broker.streams.open.count === 0);
  };

  afterEach(closeSockets);
  afterAll(() => broker.stop());

  it.each<[string, string, ClientOptions, number, string]>([
    ['no key', '/v1/producers/shop/checks?instance=a', {}, 401, 'unauthorized'],
    ['a wrong key', '/v1/producers/shop/checks?instance=a', asKey('wrong'), 401, 'unauthorized'],
    ['a key without the scope', '/v1/producers/shop/checks?instance=a', asKey('mail'), 403, 'forbidden'],
    ["another producer's key", '/v1/producers/shop/checks?instance=a', asKey('bank'), 403, 'forbidden'],
    ['no instance', '/v1/producers/shop/checks', asKey('shop'), 400, 'validation-failed'],
    ['a bad instance', '/v1/producers/shop/checks?instance=a%20b', asKey('shop'), 400, 'validation-failed'],
    ['another parameter', '/v1/producers/shop/checks?instance=a&colour=1', asKey('shop'), 400, 'validation-failed'],
    ['a bad name', '/v1/producers/sh%20op/checks?instance=a', asKey('ops'), 400, 'validation-failed'],
    ['an unknown producer', '/v1/producers/nobody/checks?instance=a', asKey('ops'), 404, 'producer-not-found'],
  ])('with %s is refused before the upgrade', async (_name, path, options, status, slug) => {
    expect(await tryOpen(path, options)).toMatchObject({ status, slug });
    expect(broker.node.broker.streams.open.count).toBe(0);
  });

  it("is for the producer's own key, and for admins", async () => {
    expect(await tryOpen('/v1/producers/shop/checks?instance=a', asKey('shop'))).toMatchObject({ status: 101 });
    expect(await tryOpen('/v1/producers/shop/checks?instance=b', asKey('ops'))).toMatchObject({ status: 101 });
  });

  it('is refused while there is no room, for the producer or at the node, with when to come back', async () => {
    for (const instance of ['a', 'b']) await tryOpen(`/v1/producers/shop/checks?instance=${instance}`, asKey('shop'));
    const full = await tryOpen('/v1/producers/shop/checks?instance=c', asKey('shop'));
    expect(full).toMatchObject({ status: 429, slug: 'overloaded', headers: { 'retry-after': '5' } });
    expect(await tryOpen('/v1/producers/bank/checks?instance=a', asKey('bank'))).toMatchObject({ status: 101 });
    expect(await tryOpen('/v1/producers/bank/checks?instance=b', asKey('bank'))).toMatchObject({ status: 429 });
    await closeSockets();
    expect(await tryOpen('/v1/producers/shop/checks?instance=c', asKey('shop'))).toMatchObject({ status: 101 });
  });

  it('without an upgrade is 426', async () => {
    const answer = await broker.call('GET', '/v1/producers/shop/checks?instance=a', undefined, {
      authorization: 'Bearer shop-secret',
    });
    expect([answer.status, answer.body.type]).toEqual([426, 'urn:halfbox:problem:upgrade-required']);
    expect(answer.headers.get('upgrade')).toBe('websocket');
  });

  it.each<[string, Record<string, string>, number, string]>([
    ['no key', {}, 400, 'validation-failed'],
    ['a short key', { 'sec-websocket-key': 'short' }, 400, 'validation-failed'],
    ['an older version', { 'sec-websocket-version': '8' }, 426, 'upgrade-required'],
    ['no version', { 'sec-websocket-version': '' }, 426, 'upgrade-required'],
  ])('with %s in its handshake is refused as a problem', async (_name, headers, status, slug) => {
    const handshake = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', ...headers };
    const asked = get(`${broker.url}/v1/producers/shop/checks?instance=a`, {
      headers: { authorization: 'Bearer shop-secret', ...handshake },
    });
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    const answered = problem.parse(await json(answer));
    expect([answer.statusCode, answered.type]).toEqual([status, `urn:halfbox:problem:${slug}`]);
    expect(answer.headers['sec-websocket-version']).toBe(status === 426 ? '13' : undefined);
    expect(broker.node.broker.streams.open.count).toBe(0);
  });

  it('passes over an offer of subprotocols, also of a malformed one', async () => {
    const options = asKey('shop');
    options.headers = { ...options.headers, 'sec-websocket-protocol': 'one,,one' };
    expect(await tryOpen('/v1/producers/shop/checks?instance=a', options)).toMatchObject({ status: 101 });
  });

  it('is not open to other nodes only: the call between nodes needs their secret', async () => {
    const body = {
      instance: 'a',
      check: { transactionId: 't', attempt: 1, preparedAt: 1, askedAt: 1, messageIds: [] },
    };
    const answer = await broker.call(
      'POST',
      '/internal/producers/shop/ask',
      { ...body, timeoutMs: 100 },
      { authorization: 'Bearer ops-secret' },
    );
    expect(answer.status).toBe(403);
  });
});

describe('a broker with streams', () => {
  let broker: RunningBroker;

  beforeEach(async () => {
    broker = await RunningBroker.start({ checkTimeoutMs: 500 });
  });

  afterEach(() => broker.stop());

  const registry = () => broker.node.broker.streams.open;
  const path = (instance: string, producer = 'shop') => `/v1/producers/${producer}/checks?instance=${instance}`;
  const stored = (producer = 'shop') => broker.services.store.streams.find(producer, undefined, Date.now(), 5_000);
  const prepare = async (fields: object = {}): Promise<string> => {
    const messages = [{ topic: 'orders', body: 1 }];
    return (await broker.post('/v1/transactions', { producer: 'shop', messages, ...fields })).body.id as string;
  };
  const checked = async (id: string) => (await broker.post(`/v1/transactions/${id}/check`)).body;

  it('refuses pages of other sites where there are no keys', async () => {
    expect(await open(broker, path('a'), { origin: 'https://evil.example' })).toMatchObject({ status: 403 });
    const { socket } = await open(broker, path('a'), { origin: 'http://localhost:8080' });
    expect(socket?.readyState).toBe(WebSocket.OPEN);
    socket!.terminate();
  });

  it('ignores other upgrades than its own, and answers what comes with them', async () => {
    const { host, hostname, port } = new URL(broker.url);
    const body = '{"topic":"orders","body":1}';
    const talk = async (head: string, text = ''): Promise<string> => {
      const socket = connect(Number(port), hostname);
      const received: Buffer[] = [];
      socket.on('data', (data: Buffer) => received.push(data));
      socket.write(`${head}\r\nhost: ${host}\r\n\r\n${text}`);
      await until('an answer', () => Buffer.concat(received).includes('}'));
      socket.destroy();
      return Buffer.concat(received).toString();
    };
    const offer = 'connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__';
    const send = `POST /v1/messages HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
    expect(await talk(`${send}\r\n${offer}`, body)).toMatch(/^HTTP\/1\.1 201 /);
    expect(await talk(`GET /v1/nodes HTTP/1.1\r\n${offer}`)).toMatch(/^HTTP\/1\.1 200 [^]*"storeId"/);
    expect(await talk(`GET /v1/nodes HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket`)).toMatch(
      /^HTTP\/1\.1 200 [^]*"storeId"/,
    );
    expect(await talk(`GET ${path('a')} HTTP/1.1\r\n${offer}`)).toMatch(/^HTTP\/1\.1 426 /);
  });

  it('holds 1,000 streams, and keeps nothing of them when they are closed', async () => {
    const sockets: WebSocket[] = [];
    for (let start = 0; start < 1_000; start += 100) {
      const tries = await Promise.all(
        Array.from({ length: 100 }, (_, index) => open(broker, path(`i${start + index}`, `p${index % 7}`))),
      );
      for (const { socket } of tries) sockets.push(socket!);
    }
    expect([registry().count, registry().producers]).toEqual([1_000, 7]);
    const storedCount = async () => {
      const counts = await Promise.all(
        Array.from({ length: 7 }, async (_, index) => (await stored(`p${index}`)).length),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    };
    await until('stored streams', async () => (await storedCount()) === 1_000);
    sockets.forEach((socket, index) => (index % 2 === 0 ? socket.close() : socket.terminate()));
    await until('an empty registry', () => registry().count === 0);
    expect([registry().producers, registry().keys()]).toEqual([0, []]);
    await until('no stored streams', async () => (await storedCount()) === 0 || undefined);
    expect(broker.node.http.app.getHttpServer().listenerCount('upgrade')).toBe(1);
  });

  it('asks the next instance when one breaks off or sends nonsense, and remembers what happened', async () => {
    const { socket: nonsense } = await open(broker, path('a'));
    nonsense!.on('message', (data) => {
      if (String(data).includes('question')) nonsense!.send('commit');
    });
    const id = await prepare({ instance: 'a' });
    expect((await checked(id)).checks.at(-1)).toMatchObject({ outcome: 'invalid' });
    await until('its end', () => registry().count === 0);

    const { socket: breaks } = await open(broker, path('a'));
    breaks!.on('message', (data) => {
      if (String(data).includes('question')) breaks!.terminate();
    });
    expect((await checked(id)).checks.at(-1)).toMatchObject({
      outcome: 'unreachable',
      error: 'the stream was closed',
    });

    const { socket: breaksToo } = await open(broker, path('a'));
    breaksToo!.on('message', (data) => {
      if (String(data).includes('question')) breaksToo!.terminate();
    });
    broker.node.broker.answerers.register('shop', 'b', { answer: async () => 'commit' });
    expect((await checked(id)).state).toBe('committed');
  });

  it('a client that never answers is timed out, and shown as unreachable until somebody else comes', async () => {
    const { socket } = await open(broker, path('a'));
    const id = await prepare({ instance: 'a' });
    expect((await checked(id)).checks.at(-1)).toMatchObject({ outcome: 'timeout' });
    const reachable = async () => (await broker.get('/v1/producers/shop')).body.reachable;
    expect(await reachable()).toBe(false);
    const { socket: second } = await open(broker, path('b'));
    await until('reachable', reachable);
    for (const each of [socket, second]) each!.terminate();
  });

  it('the newer stream of an instance is asked; the older one goes on when that ends', async () => {
    const answering = async (resolution: string) => {
      const { socket } = await open(broker, path('a'));
      socket!.on('message', (data) => {
        const { type, id } = JSON.parse(String(data)) as { type: string; id: string };
        if (type === 'question') socket!.send(JSON.stringify({ type: 'answer', id, resolution }));
      });
      return socket!;
    };
    const older = await answering('unknown');
    const newer = await answering('commit');
    expect((await checked(await prepare({ instance: 'a' }))).state).toBe('committed');
    newer.close();
    await until('one stream', () => registry().count === 1);
    expect((await checked(await prepare({ instance: 'a' }))).checks.at(-1)).toMatchObject({ outcome: 'unknown' });
    older.terminate();
  });

  it('an application in this process is asked before HTTP, and HTTP after it has gone', async () => {
    await broker.put('/v1/producers/shop', { checkBack: { type: 'http', url: 'http://127.0.0.1:1/' } });
    const asked: unknown[] = [];
    const unregister = broker.node.broker.answerers.register('shop', 'here', {
      answer: async (question) => {
        asked.push(question);
        return 'rollback';
      },
    });
    const id = await prepare({ instance: 'here' });
    expect((await checked(id)).state).toBe('rolled_back');
    expect(asked).toMatchObject([{ transactionId: id, attempt: 1, messages: [{ topic: 'orders', body: 1 }] }]);
    unregister();
    const next = await checked(await prepare({ instance: 'here' }));
    expect(next.checks.at(-1)).toMatchObject({ outcome: 'unreachable' });
    expect(asked).toHaveLength(1);
  });

  it('with HTTP configured, streams are not asked', async () => {
    await broker.put('/v1/producers/shop', { checkBack: { type: 'http', url: 'http://127.0.0.1:1/' } });
    const { socket } = await open(broker, path('a'));
    const received: string[] = [];
    socket!.on('message', (data) => received.push(String(data)));
    const { checks } = await checked(await prepare({ instance: 'a' }));
    expect(checks.at(-1).error).not.toContain('stream');
    expect(received.filter((text) => text.includes('question'))).toEqual([]);
    socket!.terminate();
  });

  it('in process, what throws, hangs or answers nonsense is not answered', async () => {
    const replies: (() => Promise<never>)[] = [
      () => Promise.reject(new Error('no database')),
      () => new Promise<never>(() => {}),
      () => Promise.resolve('Commit' as never),
    ];
    for (const [index, reply] of replies.entries()) {
      const unregister = broker.node.broker.answerers.register('shop', `here-${index}`, { answer: reply });
      const { checks } = await checked(await prepare({ instance: `here-${index}` }));
      expect(checks.at(-1)).toMatchObject(
        [
          { outcome: 'invalid', error: 'the answerer failed: no database' },
          { outcome: 'timeout' },
          { outcome: 'invalid', error: 'the answer has no valid resolution' },
        ][index]!,
      );
      unregister();
    }
    expect(registry().count).toBe(0);
  });

  it('closes streams with 1001 when it stops, and takes no new ones', async () => {
    const { socket } = await open(broker, path('a'));
    const closed = once(socket!, 'close') as Promise<[number, Buffer]>;
    const startedAt = performance.now();
    await broker.stop();
    const [code, reason] = await closed;
    expect([code, reason.toString()]).toEqual([1001, 'this node is stopping']);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it('a client that does not take part in the closing does not hold up the stop', async () => {
    const { socket } = await open(broker, path('a'));
    socket!.pause();
    const startedAt = performance.now();
    await broker.stop();
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    socket!.terminate();
  });
});
