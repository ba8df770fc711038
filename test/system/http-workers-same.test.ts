import { RawConnection, type RawAnswer } from '../security/fuzz/connection.js';
import { sqliteServer } from '../store/databases.js';
import { BrokerProcess } from './broker-process.js';

const lines = (...all: string[]): string => `${all.join('\r\n')}\r\n\r\n`;
/** A body of Latin-1, a byte for each character. */
const withBody = (body: string, ...head: string[]): string => lines(...head, `content-length: ${body.length}`) + body;
const json = 'content-type: application/json';
const send = 'POST /v1/messages HTTP/1.1';
const message = '{"topic":"orders","body":1}';

/** Requests that a worker, or the way from it to the broker, could read otherwise than the broker itself. */
const requests: [string, string][] = [
  ['a message', withBody(message, send, 'host: a', json)],
  ['a message in chunks', `${lines(send, 'host: a', json, 'transfer-encoding: chunked')}1b\r\n${message}\r\n0\r\n\r\n`],
  ['no content type', withBody(message, send, 'host: a')],
  ['another content type', withBody(message, send, 'host: a', 'content-type: text/plain')],
  ['a content type in capitals', withBody(message, send, 'host: a', 'Content-Type: APPLICATION/JSON;charset=UTF-8')],
  ['no chunks at all', `${lines(send, 'host: a', 'transfer-encoding: chunked')}0\r\n\r\n`],
  ['nothing', lines(send, 'host: a', 'content-length: 0')],
  ['nothing as JSON', lines(send, 'host: a', json, 'content-length: 0')],
  ['no length', lines(send, 'host: a')],
  ['a compressed body', withBody(message, send, 'host: a', json, 'content-encoding: gzip')],
  ['an identical body', withBody(message, send, 'host: a', json, 'content-encoding: identity')],
  ['bytes that are no UTF-8', withBody('{"topic":"\xff"}', send, 'host: a', json)],
  ['half a JSON text', withBody('{"topic":', send, 'host: a', json)],
  ['an empty host', withBody('{"shards":1}', 'PUT /v1/topics/orders HTTP/1.1', 'host:', json)],
  ['the host of another page', withBody('{"shards":1}', 'PUT /v1/topics/orders HTTP/1.1', 'host: evil.example', json)],
  ['the origin of another page', withBody(message, send, 'host: localhost', json, 'origin: http://evil.example')],
  ['a node that is none', withBody(message, send, 'host: a', json, 'halfbox-node: x')],
  ['a query that is not known', withBody(message, `${send.replace(' HTTP', '?a=1 HTTP')}`, 'host: a', json)],
  ['a path with a dot', lines('GET /v1/topics/%2e%2e HTTP/1.1', 'host: a')],
  ['a path with dots', lines('GET /v1/../health/live HTTP/1.1', 'host: a')],
  ['a path with two slashes', lines('GET //health/live HTTP/1.1', 'host: a')],
  ['a path that is badly encoded', lines('GET /v1/topics/%zz HTTP/1.1', 'host: a')],
  ['a commit of nothing', lines('POST /v1/transactions/none/commit HTTP/1.1', 'host: a', 'content-length: 0')],
  ['a commit of an encoded id', lines('POST /v1/transactions/%6eone/commit HTTP/1.1', 'host: a', 'content-length: 0')],
  ['a method that is not served', lines('DELETE /v1/messages HTTP/1.1', 'host: a')],
  ['an unusual method', lines('PROPFIND /v1/messages HTTP/1.1', 'host: a')],
  ['an answer without a body', lines('DELETE /v1/topics/gone HTTP/1.1', 'host: a')],
  ['health', lines('GET /health/live HTTP/1.1', 'host: a')],
  ['HTTP/1.0', lines('GET /health/live HTTP/1.0', 'host: a')],
  ['a connection that ends', lines('GET /health/live HTTP/1.1', 'host: a', 'connection: close')],
  ['another protocol', lines('GET /health/live HTTP/1.1', 'host: a', 'connection: upgrade', 'upgrade: h2c')],
  ['a stream without an upgrade', lines('GET /v1/producers/shop/checks?instance=a HTTP/1.1', 'host: a')],
  ['an expectation', withBody(message, send, 'host: a', json, 'expect: wonders')],
  ['a header named like a member', lines('GET /health/live HTTP/1.1', 'host: a', '__proto__: x', 'constructor: y')],
];

/** What differs between two brokers that answer the same. */
const ownWords = /"(id|offset|shard)":("[^"]*"|\d+)/g;

function comparable({ status, headers, body }: RawAnswer) {
  const { date: _date, connection, 'keep-alive': _keepAlive, ...rest } = headers;
  // After a refusal either may end the connection.
  if (status < 400 && connection !== undefined) rest['connection'] = connection;
  return { status, headers: rest, body: body.toString('latin1').replace(ownWords, '"$1":…') };
}

describe('a request', () => {
  jest.setTimeout(120_000);
  const brokers: BrokerProcess[] = [];
  const places: { url: string; remove(): Promise<void> }[] = [];

  beforeAll(async () => {
    for (const workers of ['0', '1']) {
      const place = await sqliteServer.provide();
      places.push(place);
      brokers.push(await BrokerProcess.start({ HALFBOX_STORE_URL: place.url, HALFBOX_WORKERS: workers }));
      await brokers.at(-1)!.put('/v1/topics/gone', {});
    }
  });

  afterAll(async () => {
    for (const broker of brokers) await broker.kill();
    for (const place of places) await place.remove();
  });

  it.each(requests.map(([what, bytes]) => [what, bytes.replace('host: a', 'host: localhost')]))(
    'with %s is answered the same by a worker',
    async (_what, bytes) => {
      const [own, workers] = await Promise.all(
        brokers.map(async ({ url }) => {
          const connection = await RawConnection.open(Number(new URL(url).port));
          connection.send(Buffer.from(bytes!, 'latin1'));
          const answer = await connection.answer(30_000);
          connection.close();
          return answer && comparable(answer);
        }),
      );
      expect(workers).toEqual(own);
      expect(own).not.toBeNull();
    },
  );
});
