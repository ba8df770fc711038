import { sqliteServer } from '../../store/databases.js';
import { RawConnection, type RawAnswer } from './connection.js';
import { answerMsMax, FuzzedBroker } from './fuzzed-broker.js';
import { fuzzKey } from './requests.js';

const key = `authorization: Bearer ${fuzzKey}`;
const lines = (...all: string[]): string => `${all.join('\r\n')}\r\n\r\n`;

/** The request that a smuggler hides in another one: were it served, there would be a topic of this name. */
const hidden = lines('PUT /v1/topics/smuggled HTTP/1.1', 'host: a', key);
const post = (...more: string[]): string =>
  lines('POST /v1/messages HTTP/1.1', 'host: a', key, 'content-type: application/json', ...more);
const inChunk = `${Buffer.byteLength(hidden).toString(16)}\r\n${hidden}\r\n0\r\n\r\n`;

/** Bytes on which servers, and proxies before them, have disagreed where a request ends. */
const smuggling: [string, string][] = [
  ['a length and chunks', `${post('content-length: 4', 'transfer-encoding: chunked')}0\r\n\r\n${hidden}`],
  ['chunks and a length', `${post('transfer-encoding: chunked', 'content-length: 4')}0\r\n\r\n${hidden}`],
  ['two lengths', `${post('content-length: 0', `content-length: ${hidden.length}`)}${hidden}`],
  ['two lengths in one', `${post(`content-length: 0, ${hidden.length}`)}${hidden}`],
  ['a length with a sign', `${post('content-length: +0')}${hidden}`],
  ['a length below nothing', `${post('content-length: -1')}${hidden}`],
  ['a hexadecimal length', `${post('content-length: 0x0')}${hidden}`],
  ['a length beyond all numbers', `${post(`content-length: ${'9'.repeat(40)}`)}${hidden}`],
  ['an empty length', `${post('content-length:')}${hidden}`],
  ['white space before the colon', `${post('content-length : 0')}${hidden}`],
  ['chunks that are not the last coding', `${post('transfer-encoding: chunked, identity')}0\r\n\r\n${hidden}`],
  ['two codings', `${post('transfer-encoding: chunked', 'transfer-encoding: identity')}0\r\n\r\n${hidden}`],
  ['a coding with a tab', `${post('transfer-encoding:\tchunked', 'content-length: 3')}0\r\n\r\n${hidden}`],
  ['a coding with a form feed', `${post('transfer-encoding: \x0bchunked')}0\r\n\r\n${hidden}`],
  ['an unknown coding', `${post('transfer-encoding: xchunked', 'content-length: 0')}${hidden}`],
  ['a folded header', `${post('transfer-encoding:', ' chunked', 'content-length: 0')}${hidden}`],
  ['a bare line feed', `POST /v1/messages HTTP/1.1\nhost: a\n${key}\ncontent-length: 0\n\n${hidden}`],
  ['a bare carriage return', `POST /v1/messages HTTP/1.1\r\nhost: a\rcontent-length: 0\r\n\r\n${hidden}`],
  ['a NUL in a header', `${post('x: a\0b', 'content-length: 0')}${hidden}`],
  ['a chunk extension', `${post('transfer-encoding: chunked')}0;x="\r\n\r\n"\r\n\r\n${hidden}`],
  ['a chunk size with a sign', `${post('transfer-encoding: chunked')}-1\r\n\r\n${hidden}`],
  ['a chunk size beyond all numbers', `${post('transfer-encoding: chunked')}${'f'.repeat(40)}\r\n${hidden}`],
  ['a chunk that is longer than it says', `${post('transfer-encoding: chunked')}1\r\n{}\r\n0\r\n\r\n${hidden}`],
  ['a chunk ended by a line feed', `${post('transfer-encoding: chunked')}2\n{}\n0\n\n${hidden}`],
  ['HTTP/1.0 with chunks', `${post('transfer-encoding: chunked').replace('1.1', '1.0')}${inChunk}`],
  ['HTTP/0.9', `GET /v1/topics\r\n\r\n${hidden}`],
  ['HTTP/2', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${hidden}`],
  ['a version that does not exist', `${post('content-length: 0').replace('1.1', '9.9')}${hidden}`],
  ['a hidden one in a chunk', `${post('transfer-encoding: chunked')}${inChunk}`],
  ['a hidden one in a body', `${post(`content-length: ${hidden.length}`)}${hidden}`],
  ['a hidden one in a header', post(`x: y${'\r'}PUT /v1/topics/smuggled HTTP/1.1`)],
  [
    'a hidden one after the last request',
    lines('GET /health/live HTTP/1.1', 'host: a', 'connection: upgrade, close', 'upgrade: h2c') + hidden,
  ],
  [
    'a body with an offer of another protocol',
    `${post('connection: upgrade', 'upgrade: x', `content-length: ${hidden.length}`)}${hidden}`,
  ],
  [
    'chunks with an offer of another protocol',
    `${post('connection: upgrade', 'upgrade: x', 'transfer-encoding: chunked')}${inChunk}`,
  ],
  ['CONNECT', `${lines('CONNECT a:80 HTTP/1.1', 'host: a', key)}${hidden}`],
];

describe.each([
  ['a broker', '0'],
  ['HTTP workers', '2'],
])('bytes that are no proper request, read by %s,', (_name, workers) => {
  jest.setTimeout(180_000);
  let broker: FuzzedBroker;
  let place: { url: string; remove(): Promise<void> };

  beforeAll(async () => {
    place = await sqliteServer.provide();
    broker = await FuzzedBroker.start({ HALFBOX_STORE_URL: place.url, HALFBOX_WORKERS: workers });
  });

  afterAll(async () => {
    await broker.stop();
    await place.remove();
  });

  const served = async (request: string): Promise<RawAnswer | null> => {
    const connection = await RawConnection.open(broker.port);
    connection.send(request);
    const answer = await connection.answer(answerMsMax);
    connection.close();
    return answer;
  };
  const statusOf = async (path: string) => (await served(lines(`GET ${path} HTTP/1.1`, 'host: a', key)))?.status;
  /** Every answer until the server ends the connection, or has nothing more to say. */
  const answersTo = async (connection: RawConnection, most: number): Promise<RawAnswer[]> => {
    const answers: RawAnswer[] = [];
    for (let answer; answers.length < most && (answer = await connection.answer(answerMsMax));) answers.push(answer);
    return answers;
  };

  it.each(smuggling)('with %s do not hide another request', async (_what, bytes) => {
    const connection = await RawConnection.open(broker.port);
    connection.send(Buffer.from(bytes, 'latin1'));
    // Nothing more comes: a server that waits for the rest of a body is told so.
    connection.finish();
    const answers = await answersTo(connection, 10);
    connection.close();
    for (const { status, headers } of answers.filter((answer) => answer.status >= 400)) {
      expect([status < 500, headers['content-type']]).toEqual([
        true,
        expect.stringMatching(/^application\/problem\+json/),
      ]);
    }
    expect(await statusOf('/v1/topics/smuggled')).toBe(404);
  });

  it('are told where the connection ends after their answer, also with the offer of a stream', async () => {
    for (const path of ['/health/live', '/v1/topics/none', '/v1/producers/shop/checks?instance=a']) {
      const connection = await RawConnection.open(broker.port);
      connection.send(lines(`GET ${path} HTTP/1.1`, 'host: a', key, 'connection: close'));
      const answer = await connection.answer(answerMsMax);
      expect([path, answer?.headers['connection']]).toEqual([path, expect.stringMatching(/\bclose$/)]);
      await connection.ended(answerMsMax);
    }
  });

  it('in a pipeline are answered one by one, in their order', async () => {
    const names = Array.from({ length: 200 }, (_none, index) => `pipelined-${index}`);
    const connection = await RawConnection.open(broker.port);
    connection.send(names.map((name) => lines(`PUT /v1/topics/${name} HTTP/1.1`, 'host: a', key)).join(''));
    const answers = await answersTo(connection, names.length);
    connection.close();
    expect(answers.map(({ body }) => (JSON.parse(body.toString()) as { topic: string }).topic)).toEqual(names);
  });

  it('offer other protocols a thousand times on one connection, and cost no more than others', async () => {
    const offer = lines('GET /health/live HTTP/1.1', 'host: a', 'connection: upgrade', 'upgrade: h2c');
    const round = async (): Promise<void> => {
      const connection = await RawConnection.open(broker.port);
      connection.send(offer.repeat(1_000));
      const answers = await answersTo(connection, 1_000);
      connection.close();
      expect(answers.map(({ status }) => status)).toEqual(Array(1_000).fill(200));
    };
    await round();
    const before = await broker.heapBytes();
    for (let rounds = 0; rounds < 5; rounds += 1) await round();
    expect((await broker.heapBytes()) - before).toBeLessThan(1024 * 1024);
  });

  it('stop in the middle: whatever is cut off does nothing, and keeps nothing', async () => {
    const body = JSON.stringify({ id: 'cut', topic: 'orders', body: 'x'.repeat(200) });
    const whole = `${post(`content-length: ${body.length}`)}${body}`;
    const before = await broker.heapBytes();
    for (let at = 1; at < whole.length; at += 7) {
      const connection = await RawConnection.open(broker.port);
      connection.send(whole.slice(0, at));
      if (at % 2 === 0) connection.finish();
      else connection.close();
      if (at % 2 === 0) await connection.ended(answerMsMax);
    }
    expect(await statusOf('/v1/messages/cut')).toBe(404);
    expect((await broker.heapBytes()) - before).toBeLessThan(1024 * 1024);
  });

  it('come slowly, on many connections: others are served meanwhile, and they too in the end', async () => {
    const body = JSON.stringify({ topic: 'orders', body: 'slow' });
    const slow = await Promise.all(Array.from({ length: 200 }, () => RawConnection.open(broker.port)));
    for (const connection of slow) connection.send(post(`content-length: ${body.length}`));
    for (const byte of body.slice(0, 10)) {
      for (const connection of slow) connection.send(byte);
      expect(await statusOf('/health/live')).toBe(200);
    }
    for (const connection of slow) connection.send(body.slice(10));
    const answers = await Promise.all(slow.map((connection) => connection.answer(answerMsMax)));
    expect(new Set(answers.map((answer) => answer?.status))).toEqual(new Set([201]));
    for (const connection of slow) connection.close();
  });

  it.each([
    ['many small lists', (bytes: number) => `{"topic":"orders","body":[${'[],'.repeat(bytes / 3 - 20)}[]]}`],
    ['nothing but opening brackets', (bytes: number) => '['.repeat(bytes)],
    ['one long number', (bytes: number) => '1'.repeat(bytes)],
    ['text of escapes', (bytes: number) => `{"topic":"orders","body":"${'\\u0000'.repeat(bytes / 6 - 20)}"}`],
    ['text of backslashes', (bytes: number) => `{"topic":"orders","body":"${'\\\\'.repeat(bytes / 2 - 20)}"}`],
    ['one member again and again', (bytes: number) => `{${'"x":1,'.repeat(bytes / 6 - 20)}"y":1}`],
  ])('of the largest size, with %s, are refused and leave the broker as it was', async (_what, make) => {
    const body = make(16 * 1024 * 1024);
    const before = await broker.heapBytes();
    // Refused for their size or their form: the topic takes 4 MiB.
    expect([400, 413]).toContain((await served(`${post(`content-length: ${body.length}`)}${body}`))?.status);
    expect((await broker.heapBytes()) - before).toBeLessThan(1024 * 1024);
    expect(await statusOf('/health/ready')).toBe(200);
  });
});
