import { connect } from 'node:net';
import { once } from 'node:events';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import { endpoints } from '../../src/api/endpoints.js';
import { RunningBroker, type Answer } from './running-broker.js';

const json = { 'content-type': 'application/json' };
const valid = '{"topic":"orders","body":1}';

describe('what every request meets', () => {
  let broker: RunningBroker;

  beforeAll(async () => {
    broker = await RunningBroker.start();
  });

  afterAll(() => broker.stop());

  const slugOf = (answer: Answer) => String(answer.body.type).replace('urn:halfbox:problem:', '');
  const sendRaw = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = json) =>
    broker.raw('POST', '/v1/messages', { headers, body });
  const reasonOf = (answer: Answer) => [answer.status, slugOf(answer), answer.body.errors?.[0].reason];
  /** What comes back for these bytes on a connection of their own. */
  const talk = async (bytes: string): Promise<string> => {
    const { hostname, port } = new URL(broker.url);
    const socket = connect(Number(port), hostname);
    const received: Buffer[] = [];
    socket.on('data', (data: Buffer) => received.push(data));
    socket.write(bytes);
    await once(socket, 'close');
    return Buffer.concat(received).toString();
  };

  it("the calls of every message do not meet Nest's hooks", async () => {
    const seen: string[] = [];
    const adapter = broker.node.http.app.getHttpAdapter() as FastifyAdapter;
    adapter.setOnRequestHook((request, _reply, done) => {
      seen.push(String(request.url));
      done();
    });
    await broker.call('POST', '/v1/messages', { topic: 'orders', body: 1 });
    await broker.get('/v1/topics/orders');
    await broker.get('/v1/nothing');
    expect(seen).toEqual(['/v1/topics/orders', '/v1/nothing']);
  });

  it('an unknown path is 404, a known one with another method 405 with Allow', async () => {
    for (const path of ['/', '/v1', '/v1/nothing', '/v1/transactions/', '/V1/transactions', '/v1/transactions/a/b/c']) {
      const answer = await broker.get(path);
      expect([path, answer.status, slugOf(answer)]).toEqual([path, 404, 'not-found']);
    }
    const patched = await broker.raw('PATCH', '/v1/topics/a');
    expect([patched.status, slugOf(patched)]).toEqual([405, 'method-not-allowed']);
    expect(patched.headers.get('allow')!.split(', ').sort()).toEqual(['DELETE', 'GET', 'HEAD', 'PUT']);
    expect((await broker.get('/v1/transactions/a/commit')).headers.get('allow')).toBe('POST');
  });

  it('a path with an empty name is refused', async () => {
    for (const path of ['/v1/transactions//commit', '/v1/subscriptions/orders//ack']) {
      const answer = await broker.raw('POST', path, {
        headers: json,
        body: path.endsWith('ack') ? '{"receipts":["a"]}' : '{}',
      });
      expect(reasonOf(answer).slice(0, 2)).toEqual([400, 'validation-failed']);
    }
  });

  it.each([
    ['cut off', '{"topic":', 'is not valid JSON'],
    ['no JSON', 'topic=orders', 'is not valid JSON'],
    ['two values', `${valid}${valid}`, 'is not valid JSON'],
    ['a __proto__ member', '{"topic":"orders","body":1,"__proto__":{}}', 'has a __proto__ member'],
    [
      'a deep, escaped __proto__ member',
      '{"topic":"orders","body":{"a":[{"\\u005f_proto__":1}]}}',
      'has a __proto__ member',
    ],
    ['a member twice', '{"topic":"orders","body":1,"topic":"other"}', 'names a member twice in one object'],
    [
      'a member twice inside the body',
      '{"topic":"orders","body":{"a":{"b":1,"b":2}}}',
      'names a member twice in one object',
    ],
    [
      'an integer that would lose digits',
      '{"topic":"orders","body":{"id":-12345678901234567890}}',
      'has a number that cannot be kept exactly (send it as text): 12345678901234567890',
    ],
    [
      'a number without end',
      '{"topic":"orders","body":[1,1e400]}',
      'has a number that cannot be kept exactly (send it as text): 1e400',
    ],
    ['nested too deep', `{"topic":"orders","body":${'['.repeat(200)}${']'.repeat(200)}}`, 'is nested deeper than 128'],
  ])('a body that is %s is 400', async (_name, body, reason) => {
    expect(reasonOf(await sendRaw(body))).toEqual([400, 'validation-failed', reason]);
  });

  it('colons, quotes and braces inside strings are no members', async () => {
    const body = { 'a:"{': '":{}\\', b: ['\\"', ':::', { c: '\\\\":' }], constructor: { prototype: 1 } };
    const sent = await sendRaw(JSON.stringify({ topic: 'orders', body }));
    expect(sent.status).toBe(201);
    expect((await broker.get(`/v1/messages/${sent.body.messages[0].id}`)).body.body).toEqual(body);
  });

  it('numbers come back as they were', async () => {
    const numbers =
      '[0,-1,1.5,9007199254740993.5,9007199254740992,1e22,-1.5e-300,123456789012345,0.1234567890123456789]';
    const sent = await sendRaw(`{"topic":"orders","body":${numbers}}`);
    expect(sent.status).toBe(201);
    expect((await broker.get(`/v1/messages/${sent.body.messages[0].id}`)).body.body).toEqual(JSON.parse(numbers));
  });

  it('invalid UTF-8 is 400, an empty body names itself', async () => {
    const bytes = Buffer.concat([Buffer.from('{"topic":"orders","body":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(reasonOf(await sendRaw(bytes))).toEqual([400, 'validation-failed', 'is not valid UTF-8']);
    expect(reasonOf(await broker.raw('POST', '/v1/messages'))).toEqual([
      400,
      'validation-failed',
      'a JSON body is missing',
    ]);
    expect(reasonOf(await sendRaw(''))).toEqual([400, 'validation-failed', 'a JSON body is missing']);
  });

  it('another media type, none, or a compressed body is 415', async () => {
    for (const headers of [
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/x-www-form-urlencoded' },
      { 'content-type': 'nonsense' },
      { ...json, 'content-encoding': 'gzip' },
    ]) {
      const answer = await sendRaw(valid, headers);
      expect([answer.status, slugOf(answer)]).toEqual([415, 'unsupported-media-type']);
    }
    const { host } = new URL(broker.url);
    const none = await talk(
      `POST /v1/messages HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\ncontent-length: ${valid.length}\r\n\r\n${valid}`,
    );
    expect(none).toContain('415 Unsupported Media Type');
    expect((await sendRaw(valid, { 'content-type': 'application/json; charset=utf-8' })).status).toBe(201);
  });

  it('a request of more than 16 MiB is 413, whether it says its length or not', async () => {
    const large = Buffer.alloc(16 * 1024 * 1024 + 1, ' ');
    const answer = await sendRaw(large).catch(() => null);
    // The server may close the connection before all of it was sent.
    if (answer) expect([answer.status, slugOf(answer)]).toEqual([413, 'body-too-large']);
    const { host } = new URL(broker.url);
    const announced = await talk(
      `POST /v1/messages HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${large.length}\r\n\r\n`,
    );
    expect(announced).toMatch(/^HTTP\/1\.1 413 [^]*urn:halfbox:problem:body-too-large/);
  });

  it('what is not HTTP, or has headers without end, is answered as a problem too', async () => {
    expect(await talk('nonsense\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 [^]*application\/problem\+json[^]*urn:halfbox:problem/,
    );
    const overflow = await talk(`GET / HTTP/1.1\r\nhost: a\r\nx: ${'a'.repeat(100_000)}\r\n\r\n`);
    expect(overflow).toMatch(/^HTTP\/1\.1 431 [^]*urn:halfbox:problem/);
  });

  it('a path that cannot be decoded is 400', async () => {
    const { host } = new URL(broker.url);
    expect(await talk(`GET /v1/topics/%ff HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 400 [^]*urn:halfbox:problem:validation-failed/,
    );
    expect((await broker.get(`/v1/topics/${'a'.repeat(3_000)}`)).status).toBeGreaterThanOrEqual(400);
  });

  it.each(endpoints.filter(({ spec }) => spec.access !== 'node').map(({ spec }) => [spec.method, spec.path] as const))(
    '%s %s refuses an unknown query parameter',
    async (method, path) => {
      const filled = path.replace(':asset', 'start.js').replace(/:[a-z]+/g, 'unknown');
      const answer = await broker.raw(method, `${filled}?colour=red`);
      expect(answer.status).toBe(400);
      expect(answer.body.errors).toContainEqual({ path: 'colour', reason: 'unknown field' });
    },
  );

  it.each(
    endpoints
      .filter(({ spec }) => spec.body && spec.access !== 'node')
      .map(({ spec }) => [spec.method, spec.path] as const),
  )('%s %s refuses an unknown field', async (method, path) => {
    const answer = await broker.call(method, path.replace(/:[a-z]+/g, 'unknown'), { colour: 1 });
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toContainEqual({ path: 'colour', reason: 'unknown field' });
  });

  it('a body where none is taken is 400', async () => {
    const answer = await broker.call('DELETE', '/v1/topics/unknown', {});
    expect(reasonOf(answer)).toEqual([400, 'validation-failed', 'this call takes no body']);
  });
});
