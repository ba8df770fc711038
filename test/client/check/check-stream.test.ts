import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { CheckStream } from '../../../src/client/check/check-stream.js';
import type { CheckStreamOptions } from '../../../src/client/check/check-stream-options.js';
import type { Answer, Answerer, Question } from '../../../src/client/check/answerer.js';
import { silentLogger, type Logger } from '../../../src/runtime/logger.js';
import { RunningBroker } from '../../api/running-broker.js';
import { until } from '../../queue/until.js';

/** Keeps what it is asked. */
class Asked implements Answerer {
  readonly questions: Question[] = [];

  constructor(public reply: (question: Question) => Answer | Promise<Answer>) {}

  async answer(question: Question): Promise<Answer> {
    this.questions.push(question);
    return this.reply(question);
  }
}

/** Options of tests whose producers are named by them, so that they do not meet each other. */
type StreamOptions = Pick<CheckStreamOptions, 'answerer'> & Partial<CheckStreamOptions>;

describe('CheckStream', () => {
  let broker: RunningBroker;
  const streams: CheckStream[] = [];

  beforeAll(async () => {
    broker = await RunningBroker.start({ checkIntervalMs: 60_000, checkTimeoutMs: 1_500 });
  });

  afterEach(async () => {
    await Promise.all(streams.splice(0).map((stream) => stream.close()));
  });

  afterAll(() => broker.stop());

  const connect = (producer: string, instance: string, options: StreamOptions): CheckStream => {
    const endpoints = () => [broker.url];
    const stream = new CheckStream({ endpoints, producer, instance, ...options });
    streams.push(stream);
    stream.start();
    return stream;
  };
  const connected = async (producer: string, instance: string, options: StreamOptions): Promise<CheckStream> => {
    const stream = connect(producer, instance, options);
    await until('a connection', () => stream.connectedTo);
    await until('a stored stream', async () => {
      const found = await broker.services.store.streams.find(producer, instance, Date.now(), 0);
      return found.length > 0;
    });
    return stream;
  };
  const prepare = async (producer: string, fields: object = {}): Promise<string> => {
    const messages = [{ topic: 'orders', key: 'k', tag: 't', headers: { a: 'b' }, body: { n: 1 } }];
    const { status, body } = await broker.post('/v1/transactions', { producer, messages, ...fields });
    expect(status).toBe(201);
    return body.id as string;
  };
  const transaction = async (id: string) => (await broker.get(`/v1/transactions/${id}`)).body;
  const checked = async (id: string) => (await broker.post(`/v1/transactions/${id}/check`)).body;

  it('is asked about a silent transaction, with everything that an answer may need, and resolves it', async () => {
    const asked = new Asked(() => 'commit');
    await connected('whole', 'w1', { answerer: asked });
    const id = await prepare('whole', { firstCheckAfterMs: 100, instance: 'w1' });
    await until('a commit', async () => (await transaction(id)).state === 'committed');
    const { resolvedBy, preparedAt, checks } = await transaction(id);
    expect([resolvedBy, checks.length, checks[0].outcome]).toEqual(['check', 1, 'commit']);
    expect(asked.questions).toEqual([
      {
        transactionId: id,
        producer: 'whole',
        attempt: 1,
        preparedAt,
        askedAt: expect.any(String) as string,
        instance: 'w1',
        messages: [
          {
            id: expect.any(String) as string,
            topic: 'orders',
            key: 'k',
            tag: 't',
            headers: { a: 'b' },
            body: { n: 1 },
          },
        ],
      },
    ]);
    const age = Date.parse(asked.questions[0]!.askedAt) - Date.parse(preparedAt as string);
    expect(age).toBeGreaterThanOrEqual(100);
    expect(age).toBeLessThan(10_000);
  });

  it.each(['rollback', 'unknown'] as const)('answers %s', async (resolution) => {
    await connected('words', 'w1', { answerer: new Asked(() => resolution) });
    const { state, checks } = await checked(await prepare('words'));
    expect([state, checks[0].outcome]).toEqual([resolution === 'unknown' ? 'prepared' : 'rolled_back', resolution]);
  });

  it('asks the instance that prepared, and another one only when that one has no stream', async () => {
    const first = new Asked(() => 'unknown');
    const second = new Asked(() => 'unknown');
    const streamOfFirst = await connected('pair', 'p1', { answerer: first });
    await connected('pair', 'p2', { answerer: second });
    const id = await prepare('pair', { instance: 'p1' });
    for (let round = 0; round < 3; round += 1) await checked(id);
    expect([first.questions.length, second.questions.length]).toEqual([3, 0]);
    await streamOfFirst.close();
    const { checks } = await checked(id);
    expect([first.questions.length, second.questions.length]).toEqual([3, 1]);
    expect(checks.at(-1).outcome).toBe('unknown');
    expect(second.questions[0]!.instance).toBe('p1');
  });

  it('takes turns among the others, so that one that hangs does not keep the transaction', async () => {
    const hangs = new Asked(() => new Promise<never>(() => {}));
    await connected('turns', 't1', { answerer: hangs, answerTimeoutMs: 300 });
    await connected('turns', 't2', { answerer: new Asked(() => 'commit') });
    const id = await prepare('turns', { instance: 'gone' });
    const outcomes = [(await checked(id)).checks.at(-1).outcome, (await checked(id)).checks.at(-1).outcome];
    expect(outcomes.sort()).toEqual(['commit', 'invalid']);
    expect((await transaction(id)).state).toBe('committed');
  });

  it('asks nobody else while the instance that prepared is there and does not answer in time', async () => {
    const other = new Asked(() => 'rollback');
    let release = (_answer: Answer): void => {};
    const hangs = new Asked(() => new Promise((resolve) => (release = resolve)));
    await connected('slow', 's1', { answerer: hangs, answerTimeoutMs: 60_000 });
    await connected('slow', 's2', { answerer: other });
    const id = await prepare('slow', { instance: 's1' });
    const { state, checks } = await checked(id);
    expect([state, checks.at(-1).outcome, other.questions.length]).toEqual(['prepared', 'timeout', 0]);
    // What comes too late is not taken for the answer to a later question.
    release('commit');
    hangs.reply = () => 'unknown';
    expect((await checked(id)).checks.at(-1).outcome).toBe('unknown');
  });

  it('an answerer that throws counts as not answered, with its words in the history', async () => {
    const asked = new Asked(() => Promise.reject(new Error('the database\nis away')));
    const stream = await connected('broken', 'b1', { answerer: asked });
    const unanswered: unknown[] = [];
    stream.events.on('unanswered', ({ error }) => unanswered.push(error));
    const id = await prepare('broken', { instance: 'b1' });
    const { state, checks } = await checked(id);
    expect(state).toBe('prepared');
    expect(checks).toMatchObject([{ outcome: 'invalid', error: 'the answerer failed: the database is away' }]);
    expect(unanswered).toEqual([new Error('the database\nis away')]);
    expect((await broker.get('/v1/producers/broken')).body.reachable).toBe(false);
    asked.reply = () => 'commit';
    expect((await checked(id)).state).toBe('committed');
    expect((await broker.get('/v1/producers/broken')).body.reachable).toBe(true);
  });

  it('is shown as reachable while a stream is open', async () => {
    await broker.put('/v1/producers/seen');
    const reachable = async () => (await broker.get('/v1/producers/seen')).body.reachable;
    expect(await reachable()).toBe(false);
    const stream = await connected('seen', 's1', { answerer: new Asked(() => 'commit') });
    expect(await reachable()).toBe(true);
    expect((await broker.get('/v1/producers')).body.items).toContainEqual(
      expect.objectContaining({ producer: 'seen', reachable: true }),
    );
    await stream.close();
    await until('unreachable', async () => !(await reachable()));
  });

  it('asks within seconds what was put off while nobody was there, and creates a producer that is unknown', async () => {
    const ids = [await prepare('late', { firstCheckAfterMs: 100 }), await prepare('late', { firstCheckAfterMs: 100 })];
    await until('failed asks', async () => (await transaction(ids[0]!)).checks.length >= 3);
    const [{ checks }] = await Promise.all(ids.map(transaction));
    expect(checks[0]).toMatchObject({ outcome: 'unreachable', error: 'no stream of the producer is open' });
    const openedAt = Date.now();
    await connected('late', 'l1', { answerer: new Asked(() => 'commit') });
    for (const id of ids) await until('a commit', async () => (await transaction(id)).state === 'committed', 5_000);
    expect(Date.now() - openedAt).toBeLessThan(3_000);
    expect((await broker.get('/v1/producers/never-seen')).status).toBe(404);
    await connected('never-seen', 'n1', { answerer: new Asked(() => 'commit') });
    expect((await broker.get('/v1/producers/never-seen')).body).toMatchObject({ reachable: true });
  });

  it('answers a bounded number at once, and keeps the rest waiting', async () => {
    let now = 0;
    let most = 0;
    const asked = new Asked(async (): Promise<Answer> => {
      most = Math.max(most, (now += 1));
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      return 'commit';
    });
    await connected('many', 'm1', { answerer: asked, answersMax: 2 });
    const ids = await Promise.all(Array.from({ length: 20 }, () => prepare('many', { firstCheckAfterMs: 100 })));
    for (const id of ids) await until('a commit', async () => (await transaction(id)).state === 'committed');
    expect(most).toBe(2);
  });

  it('goes to the next endpoint when one is away or stops', async () => {
    const other = await RunningBroker.start();
    const endpoints = () => ['http://127.0.0.1:1', other.url, broker.url];
    const stream = connect('moving', 'm1', { answerer: new Asked(() => 'commit'), endpoints, reconnectMsMin: 10 });
    const connections: string[] = [];
    stream.events.on('connected', ({ url }) => connections.push(url));
    const codes: number[] = [];
    stream.events.on('disconnected', ({ code }) => codes.push(code));
    await until('a connection', () => stream.connectedTo);
    if (connections[0] === other.url) await other.stop();
    else broker.services.streams.closeAll();
    const next = connections[0] === other.url ? broker.url : other.url;
    await until('the next connection', () => stream.connectedTo === next);
    expect(codes).toEqual([1001]);
    await other.stop();
  });

  it('leaves a broker that gives no sign of life any more', async () => {
    const silent = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    silent.on('connection', (socket) => socket.send('{"type":"heartbeat","everyMs":20}'));
    await once(silent, 'listening');
    const silentUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const stream = connect('leaving', 'l1', {
      answerer: new Asked(() => 'commit'),
      endpoints: () => [silentUrl, broker.url],
    });
    const ends: string[] = [];
    stream.events.on('disconnected', ({ url, reason }) => ends.push(`${url} ${reason}`));
    await until('a connection to the other broker', () => stream.connectedTo === broker.url);
    // It may have begun with the one that lives.
    broker.services.streams.closeAll();
    await until('the end of the silent one', () => ends.includes(`${silentUrl} no sign of life`));
    await until('a connection to the other broker', () => stream.connectedTo === broker.url);
    silent.close();
  });

  it('is told when a broker refuses it, goes on trying, and ends when it is closed', async () => {
    const guarded = await RunningBroker.start({ apiKeys: 'shop:right:produce' });
    const refusals: string[] = [];
    const options = { answerer: new Asked(() => 'commit'), endpoints: () => [guarded.url], reconnectMsMax: 20 };
    const stream = connect('shop', 's1', { ...options, apiKey: 'wrong' });
    stream.events.on('refused', ({ error }) => refusals.push(`${error.status} ${error.code}`));
    await until('refusals', () => refusals.length >= 3);
    expect(new Set(refusals)).toEqual(new Set(['401 unauthorized']));
    const others = connect('bank', 'b1', { ...options, apiKey: 'right' });
    const ofOther = new Promise((resolve) => others.events.on('refused', ({ error }) => resolve(error.code)));
    expect(await ofOther).toBe('forbidden');
    const admitted = connect('shop', 's2', { ...options, apiKey: 'right' });
    await until('a connection', () => admitted.connectedTo);
    await Promise.all([stream.close(), others.close(), admitted.close()]);
    const count = refusals.length;
    await guarded.stop();
    expect([refusals.length, admitted.connectedTo]).toEqual([count, undefined]);
  });

  it('says once that no broker can be reached, and that one can be again', async () => {
    const said: string[] = [];
    const say = (_: unknown, message: string) => void said.push(message);
    let url = 'http://127.0.0.1:1';
    let tries = 0;
    const stream = connect('shop', 's1', {
      answerer: new Asked(() => 'commit'),
      endpoints: () => {
        tries += 1;
        return [url];
      },
      reconnectMsMin: 1,
      reconnectMsMax: 5,
      logger: { ...silentLogger, warn: say, info: say } as Logger,
    });
    await until('a word', () => said.length > 0);
    const triesBefore = tries;
    await until('further tries', () => tries > triesBefore + 5);
    url = broker.url;
    await until('a connection', () => stream.connectedTo);
    expect(said).toEqual([
      'no broker can be reached to be asked by: open transactions wait',
      'a broker can be reached again',
    ]);
    await stream.close();
  });

  it('spreads over the brokers that are left when the one it was connected to is no more among them', async () => {
    const refusing = createServer((_request, response) => void response.writeHead(503).end());
    refusing.listen(0, '0.0.0.0');
    await once(refusing, 'listening');
    const left = [1, 2, 3, 4].map((n) => `http://127.0.0.${n}:${(refusing.address() as AddressInfo).port}`);
    const next: string[] = [];
    const moving = Array.from({ length: 40 }, (_, n) => {
      let asked = 0;
      const endpoints = () => ((asked += 1) === 1 ? ['http://127.0.0.1:1'] : left);
      const stream = connect('moving', `m${n}`, { answerer: new Asked(() => 'commit'), endpoints, reconnectMsMin: 1 });
      const refused = new Promise<void>((resolve) => {
        stream.events.on('refused', ({ url }) => {
          next.push(url);
          void stream.close().then(resolve);
        });
      });
      return refused;
    });
    await Promise.all(moving);
    refusing.close();
    expect(new Set(next)).toEqual(new Set(left));
  });

  it('lives on when something answers that is no broker', async () => {
    const unhandled: unknown[] = [];
    const onUnhandled = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', onUnhandled);
    const proxy = createServer((_request, response) => void response.writeHead(502).end('null'));
    proxy.listen(0, '127.0.0.1');
    const strange = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await Promise.all([once(proxy, 'listening'), once(strange, 'listening')]);
    const answers: string[] = [];
    strange.on('connection', (socket) => {
      socket.on('message', (data) => answers.push(String(data)));
      for (const question of ['null', '{}', '7', '{"transactionId":"t"}']) {
        socket.send(`{"type":"question","id":"${question.length}","question":${question}}`);
      }
      socket.send('{"type":"question","id":"none"}');
    });
    const urlOf = (server: { address(): unknown }) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const asked = new Asked(() => 'commit');
    const refused: number[] = [];
    const stream = connect('strange', 's1', { answerer: asked, endpoints: () => [urlOf(proxy), urlOf(strange)] });
    stream.events.on('refused', ({ error }) => refused.push(error.status));
    await until('answers', () => answers.length >= 5);
    for (const socket of strange.clients) socket.terminate();
    await until('a refusal', () => refused.includes(502));
    await stream.close();
    process.off('unhandledRejection', onUnhandled);
    proxy.close();
    strange.close();
    expect(unhandled).toEqual([]);
    expect(asked.questions).toEqual([]);
    expect(answers.map((text) => (JSON.parse(text) as { type: string }).type)).toEqual(Array(5).fill('error'));
  });

  it('waits for endpoints to come, and passes over what is none', async () => {
    let endpoints: string[] = [];
    const stream = connect('waiting', 'w1', {
      answerer: new Asked(() => 'commit'),
      endpoints: () => endpoints,
      reconnectMsMax: 20,
    });
    endpoints = ['not a url', 'http://127.0.0.1:1', broker.url];
    await until('a connection', () => stream.connectedTo === broker.url);
  });

  it('finishes the answer in hand when it is closed', async () => {
    let release = (): void => {};
    const asked = new Asked(() => new Promise<Answer>((resolve) => (release = () => resolve('commit'))));
    const stream = await connected('closing', 'c1', { answerer: asked });
    const id = await prepare('closing', { instance: 'c1' });
    const checking = checked(id);
    await until('a question', () => asked.questions.length > 0);
    const closing = stream.close();
    release();
    await closing;
    expect((await checking).state).toBe('committed');
  });

  it('the answerer of a stream can answer in the process of a broker as well', async () => {
    const asked: Answerer = new Asked(({ messages }) => (messages[0]?.topic === 'orders' ? 'commit' : 'unknown'));
    const unregister = broker.node.broker.answerers.register('embedded', 'e1', asked);
    expect((await checked(await prepare('embedded', { instance: 'e1' }))).state).toBe('committed');
    unregister();
  });
});
