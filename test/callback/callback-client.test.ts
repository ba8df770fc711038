import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { CallbackClient, CallbackFailure } from '../../src/callback/callback-client.js';
import { TargetGuard } from '../../src/callback/target-guard.js';
import { answering, hanging, TargetServer } from './target-server.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function client(guard = new TargetGuard(true)): CallbackClient {
  const made = new CallbackClient(guard);
  closers.push(() => made.close());
  return made;
}

async function server(reply: ConstructorParameters<typeof TargetServer>[0]): Promise<TargetServer> {
  const made = await new TargetServer(reply).listen();
  closers.push(() => made.close());
  return made;
}

async function rawServer(answer: string | Buffer): Promise<string> {
  const made: Server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end(answer));
  });
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => made.close(resolve)));
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}/`;
}

const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => 'answered',
    (error: unknown) => (error instanceof CallbackFailure ? error.kind : error),
  );

describe('CallbackClient.post', () => {
  it('posts the text and gives what came back', async () => {
    const target = await server(answering(202, '{"ok":true}', { 'x-a': 'b' }));
    const answer = await client().post(target.url, '{"a":1}', { 'halfbox-x': 'y' }, 2_000);
    expect(answer).toMatchObject({ status: 202, body: Buffer.from('{"ok":true}') });
    expect(answer.headers['x-a']).toBe('b');
    expect(answer.cutShort).toBeUndefined();
    expect(target.calls).toMatchObject([{ text: '{"a":1}', headers: { 'halfbox-x': 'y' } }]);
  });

  it('never follows a redirect', async () => {
    const inner = await server(answering(200, 'secret'));
    const target = await server(answering(307, '', { location: inner.url }));
    expect((await client().post(target.url, '{}', {}, 2_000)).status).toBe(307);
    expect(inner.calls).toEqual([]);
  });

  it('reads 64 KiB of a 10 MB answer', async () => {
    const target = await server(answering(200, 'x'.repeat(10_000_000)));
    const answer = await client().post(target.url, '{}', {}, 5_000);
    expect(answer.cutShort).toBe('too-large');
    expect(answer.body.length).toBeLessThanOrEqual(64 * 1024);
  });

  it('reads an answer of exactly 64 KiB whole', async () => {
    const target = await server(answering(200, 'x'.repeat(64 * 1024)));
    const answer = await client().post(target.url, '{}', {}, 5_000);
    expect(answer.cutShort).toBeUndefined();
    expect(answer.body.length).toBe(64 * 1024);
  });

  it('ends a call that gets no answer in time', async () => {
    const target = await server(hanging);
    expect(await failureOf(client().post(target.url, '{}', {}, 100))).toBe('timeout');
  });

  it('ends an answer that trickles on for ever', async () => {
    const target = await server((_call, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write('.'), 20);
      response.on('close', () => clearInterval(drip));
    });
    const answer = await client().post(target.url, '{}', {}, 1_500);
    expect(answer).toMatchObject({ status: 200, cutShort: 'timeout' });
  });

  it('tells an answer that broke off', async () => {
    const target = await server((_call, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half', () => response.destroy());
    });
    expect((await client().post(target.url, '{}', {}, 2_000)).cutShort).toBe('connection-lost');
  });

  it('names a target where nobody listens unreachable', async () => {
    const target = await server(hanging);
    const { url } = target;
    await target.close();
    closers.pop();
    await expect(client().post(url, '{}', {}, 2_000)).rejects.toMatchObject({
      kind: 'unreachable',
      message: 'ECONNREFUSED',
    });
  });

  it('names an answer that is not HTTP invalid', async () => {
    expect(await failureOf(client().post(await rawServer('SSH-2.0-OpenSSH_9.2\r\n\r\n'), '{}', {}, 2_000))).toBe(
      'invalid',
    );
  });

  it('names headers over the bound invalid', async () => {
    const answer = `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`;
    expect(await failureOf(client().post(await rawServer(answer), '{}', {}, 2_000))).toBe('invalid');
  });

  it('ends a call when its signal is aborted, also one that was aborted before', async () => {
    const target = await server(hanging);
    const ending = new AbortController();
    const call = failureOf(client().post(target.url, '{}', {}, 10_000, ending.signal));
    ending.abort();
    expect(await call).toBe('aborted');
    expect(await failureOf(client().post(target.url, '{}', {}, 10_000, ending.signal))).toBe('aborted');
  });

  it('refuses an address, and a name that resolves to one, before anything is sent', async () => {
    const target = await server(answering(200));
    const guard = new TargetGuard(false, (_hostname, _options, callback) =>
      callback(null, [{ address: '127.0.0.1', family: 4 }]),
    );
    expect(await failureOf(client(guard).post(target.url, '{}', {}, 2_000))).toBe('target-not-allowed');
    const byName = `http://rebound.example:${target.port}/`;
    expect(await failureOf(client(guard).post(byName, '{}', {}, 2_000))).toBe('target-not-allowed');
    const mapped = `http://[::ffff:127.0.0.1]:${target.port}/`;
    expect(await failureOf(client(guard).post(mapped, '{}', {}, 2_000))).toBe('target-not-allowed');
    expect(target.calls).toEqual([]);
  });

  it('connects by the injected resolver where its address is allowed', async () => {
    const target = await server(answering(204));
    const guard = new TargetGuard(true, (_hostname, _options, callback) =>
      callback(null, [{ address: '127.0.0.1', family: 4 }]),
    );
    expect((await client(guard).post(`http://anything.example:${target.port}/`, '{}', {}, 2_000)).status).toBe(204);
  });
});
