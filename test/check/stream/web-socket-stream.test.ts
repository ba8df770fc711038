import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import type { CheckQuestion } from '../../../src/check/producer-asker.js';
import { defaultStreamSettings, type StreamSettings } from '../../../src/check/stream/stream-settings.js';
import { WebSocketStream } from '../../../src/check/stream/web-socket-stream.js';
import { until } from '../../queue/until.js';

function question(attempt: number, json = '{"n":1}'): CheckQuestion {
  return {
    check: { transactionId: 'tx-1', producer: 'shop', attempt, preparedAt: 0, messageIds: ['m-1'] },
    messages: [{ id: 'm-1', topic: 'orders', body: { json }, storedAt: 0 }],
    askedAt: 1_000,
  };
}

const never = () => new AbortController().signal;

/** A stream at a real server, and the client at its other end. */
describe('WebSocketStream', () => {
  let server: WebSocketServer;
  let stream: WebSocketStream;
  let client: WebSocket;
  let ends: number;
  let received: { type: string; id?: string; question?: { attempt: number } }[];
  let closed: Promise<[number, string]>;

  const open = async (settings: Partial<StreamSettings> = {}): Promise<void> => {
    const merged = { ...defaultStreamSettings, closeMs: 100, ...settings };
    server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: merged.answerBytesMax });
    await once(server, 'listening');
    ends = 0;
    received = [];
    const connection = once(server, 'connection');
    client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { perMessageDeflate: false });
    client.on('error', () => {});
    client.on('message', (data) => received.push(JSON.parse(String(data)) as (typeof received)[number]));
    closed = new Promise((resolve) => client.on('close', (code, reason) => resolve([code, String(reason)])));
    const opened = once(client, 'open');
    const [socket] = (await connection) as [WebSocket];
    stream = new WebSocketStream(socket, 'shop', 'i1', merged, () => (ends += 1));
    await opened;
  };
  const questions = () => received.filter(({ type }) => type === 'question');
  const isAsked = (count = 1) => until(`question ${count}`, () => questions().length >= count);
  const send = (message: unknown) =>
    client.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));

  const shut = async (): Promise<void> => {
    client.terminate();
    for (const socket of server.clients) socket.terminate();
    await new Promise((resolve) => server.close(resolve));
    await until('the end of the stream', () => ends > 0);
  };
  afterEach(shut);

  it('says at once how often it gives signs of life, and then does so', async () => {
    await open({ heartbeatMs: 50 });
    client.on('message', () => send({ type: 'heartbeat' }));
    await until('signs of life', () => received.length >= 4);
    expect(new Set(received.map((message) => JSON.stringify(message)))).toEqual(
      new Set(['{"type":"heartbeat","everyMs":50}']),
    );
    expect(ends).toBe(0);
  });

  it('matches answers to questions, whatever their order', async () => {
    await open();
    const answers = [stream.ask(question(1), never()), stream.ask(question(2), never())];
    await isAsked(2);
    expect(questions().map((asked) => asked.question!.attempt)).toEqual([1, 2]);
    send({ type: 'answer', id: questions()[1]!.id, resolution: 'rollback' });
    send({ type: 'answer', id: questions()[0]!.id, resolution: 'commit' });
    expect(await Promise.all(answers)).toEqual([
      { answer: { outcome: 'commit' } },
      { answer: { outcome: 'rollback' } },
    ]);
  });

  it.each<[string, object]>([
    ['an unknown word', { type: 'answer', resolution: 'Commit' }],
    ['another field', { type: 'answer', resolution: 'commit', colour: 1 }],
    ['no resolution', { type: 'answer' }],
    ['another type', { type: 'result', resolution: 'commit' }],
    ['an error without words', { type: 'error' }],
  ])('takes %s for no answer, and goes on', async (_name, fields) => {
    await open();
    const answer = stream.ask(question(1), never());
    await isAsked();
    send({ id: questions()[0]!.id, ...fields });
    expect(await answer).toEqual({ answer: { outcome: 'invalid', error: 'the answer has no valid resolution' } });
    expect(ends).toBe(0);
  });

  it('keeps the words of a client that cannot answer, short and clean', async () => {
    await open();
    const answer = stream.ask(question(1), never());
    await isAsked();
    send({ type: 'error', id: questions()[0]!.id, message: `a\u0000b\ud800${'c'.repeat(1_000)}` });
    expect(await answer).toEqual({
      answer: { outcome: 'invalid', error: `the answerer failed: a b ${'c'.repeat(196)}` },
    });
  });

  it.each<[string, unknown]>([
    ['no JSON', 'commit'],
    ['JSON without an id', { type: 'answer', resolution: 'commit' }],
    ['a list', []],
    ['null', 'null'],
    ['bytes', Buffer.from('{"type":"heartbeat"}')],
  ])('closes the stream of a client that sends %s; nothing of it counts as an answer', async (_name, message) => {
    await open();
    const answer = stream.ask(question(1), never());
    await isAsked();
    send(message);
    expect(await answer).toMatchObject({ answer: { outcome: 'invalid' } });
    expect((await closed)[0]).toBe(1008);
    expect(ends).toBe(1);
    expect(await stream.ask(question(2), never())).toMatchObject({ gone: expect.any(String) as string });
  });

  it('refuses a message of 10 MB without reading it', async () => {
    await open();
    const answer = stream.ask(question(1), never());
    await isAsked();
    send('x'.repeat(10_000_000));
    expect(await answer).toMatchObject({ answer: { outcome: 'invalid' } });
    expect([1006, 1009]).toContain((await closed)[0]);
    expect(ends).toBe(1);
  });

  it('closes the stream of a client that floods it with pings', async () => {
    await open({ surplusMax: 50 });
    for (let count = 0; count <= 50; count += 1) client.ping();
    expect(await closed).toEqual([1008, 'too many messages']);
    expect(ends).toBe(1);
  });

  it('closes the stream of a client that floods', async () => {
    await open({ surplusMax: 50 });
    const answer = stream.ask(question(1), never());
    await isAsked();
    for (let count = 0; count <= 50; count += 1) send({ type: 'heartbeat' });
    expect(await answer).toEqual({ answer: { outcome: 'invalid', error: 'the stream sent too many messages' } });
    expect(await closed).toEqual([1008, 'too many messages']);
  });

  it('gives up a question in time; what comes too late answers nothing', async () => {
    await open();
    const ending = new AbortController();
    const late = stream.ask(question(1), ending.signal);
    await isAsked();
    ending.abort();
    expect(await late).toMatchObject({ answer: { outcome: 'timeout' } });
    const next = stream.ask(question(2), never());
    await isAsked(2);
    send({ type: 'answer', id: questions()[0]!.id, resolution: 'commit' });
    send({ type: 'answer', id: questions()[1]!.id, resolution: 'rollback' });
    expect(await next).toEqual({ answer: { outcome: 'rollback' } });
    expect(await stream.ask(question(3), ending.signal)).toMatchObject({ answer: { outcome: 'timeout' } });
    expect(questions()).toHaveLength(2);
  });

  it('is gone when two signs of life are missing', async () => {
    await open({ heartbeatMs: 50 });
    expect(await stream.ask(question(1), never())).toEqual({ gone: 'the stream gave no sign of life' });
    expect((await closed)[0]).toBe(1006);
    expect(ends).toBe(1);
  });

  it('is gone when its client does not read', async () => {
    await open({ bufferedBytesMax: 1_000_000 });
    client.pause();
    const large = JSON.stringify('x'.repeat(2_000_000));
    const answers = Array.from({ length: 20 }, (_, index) => stream.ask(question(index + 1, large), never()));
    for (const answer of await Promise.all(answers))
      expect(answer).toMatchObject({ gone: expect.any(String) as string });
    expect(await answers[0]).toEqual({ gone: 'the stream is not read' });
    expect(ends).toBe(1);
  });

  it('has a bound of questions under way', async () => {
    await open({ questionsMax: 2 });
    const asked = [stream.ask(question(1), never()), stream.ask(question(2), never())];
    expect(await stream.ask(question(3), never())).toMatchObject({ answer: { outcome: 'unreachable' } });
    client.terminate();
    expect(await Promise.all(asked)).toEqual(Array(2).fill({ gone: 'the stream was closed' }));
  });

  it('closes with a code, and does not wait for a client that does not take part', async () => {
    await open();
    const answer = stream.ask(question(1), never());
    await isAsked();
    stream.close(1001, 'stopping');
    expect(await answer).toEqual({ gone: 'the stream was closed: stopping' });
    expect(await closed).toEqual([1001, 'stopping']);

    await shut();
    await open();
    client.pause();
    stream.close(1001, 'stopping');
    await until('the connection to be cut', () => server.clients.size === 0);
    expect(ends).toBe(1);
  });
});
