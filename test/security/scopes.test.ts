import { once } from 'node:events';
import { connect } from 'node:net';
import { endpoints } from '../../src/api/endpoints.js';
import { RunningBroker } from '../api/running-broker.js';

/**
 * `test/api/access.test.ts` has the table of scopes, and fails on a route that has none. Here: no other way of asking for
 * the same thing leads past it.
 */
describe('a call without a key', () => {
  let broker: RunningBroker;

  beforeAll(async () => {
    broker = await RunningBroker.start({ apiKeys: 'ops:a-secret:admin', autoCreate: true });
  });

  afterAll(() => broker.stop());

  /** The status of the answer to these bytes. */
  const statusOf = async (method: string, target: string, headers: string[] = []): Promise<number> => {
    const { hostname, port } = new URL(broker.url);
    const socket = connect(Number(port), hostname);
    const lines = [`${method} ${target} HTTP/1.1`, 'host: a', 'connection: close', ...headers];
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    let text = '';
    socket.on('data', (data: Buffer) => (text += data.toString('latin1')));
    await once(socket, 'close');
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
  };
  const filled = (path: string) => path.replace(':asset', 'start.js').replace(/:[a-z]+/gi, 'none');
  const guarded = endpoints.filter(({ spec }) => spec.access !== 'open');

  it('meets a guard on every route but those that are open to all', () => {
    const open = endpoints.filter(({ spec }) => spec.access === 'open').map(({ spec }) => spec.path);
    expect(open.sort()).toEqual(['/docs', '/docs/:asset', '/health/live', '/health/ready', '/openapi.json']);
  });

  it.each(guarded.map(({ spec }) => [spec.method, filled(spec.path)]))(
    '%s %s is refused, however its path is spelt, and as HEAD too',
    async (method, path) => {
      const spelt = [path, `${path}?`, `${path}?x=1`, path.replace(/^\/(.)/, (_all, first: string) => escaped(first))];
      for (const target of spelt) expect([target, await statusOf(method!, target)]).toEqual([target, 401]);
      // The stream is no page: it has no HEAD.
      if (method === 'GET') expect(await statusOf('HEAD', path!)).toBe(path!.endsWith('/checks') ? 405 : 401);
      // Other spellings are other paths, which nobody serves.
      for (const target of [`${path}/`, `/${path}`, `/.${path}`, `${path};x`, path!.toUpperCase(), `/x/..${path}`]) {
        expect([401, 404, 405]).toContain(await statusOf(method!, target));
      }
    },
  );

  it('does not become a WebSocket', async () => {
    const offer = ['connection: upgrade', 'upgrade: websocket', 'sec-websocket-version: 13'];
    offer.push(`sec-websocket-key: ${Buffer.alloc(16).toString('base64')}`);
    const path = '/v1/producers/shop/checks?instance=a';
    expect(await statusOf('GET', path, offer)).toBe(401);
    expect(await statusOf('GET', path, [...offer, 'halfbox-node: guessed'])).toBe(401);
    expect(await statusOf('GET', path, [...offer, 'authorization: Bearer wrong'])).toBe(401);
    for (const { method, path: other } of guarded
      .map(({ spec }) => spec)
      .filter(({ path: p }) => !p.endsWith('checks'))) {
      expect([401, 404, 405]).toContain(await statusOf(method, filled(other), offer));
    }
  });

  it('is not let in by a second header beside the first', async () => {
    for (const headers of [
      ['authorization: Bearer wrong', 'authorization: Bearer a-secret'],
      ['authorization: Bearer wrong, Bearer a-secret'],
      ['halfbox-node: x', 'halfbox-node: y', 'authorization: Bearer a-secret'],
      ['halfbox-node:', 'authorization: Bearer a-secret'],
      ['proxy-authorization: Bearer a-secret'],
      ['x-authorization: Bearer a-secret'],
    ]) {
      expect([headers, await statusOf('GET', '/v1/topics', headers)]).toEqual([headers, 401]);
    }
    for (const method of ['X-HTTP-Method: GET', 'X-HTTP-Method-Override: GET']) {
      expect(await statusOf('POST', '/v1/topics', [method])).toBe(405);
    }
  });
});

function escaped(letter: string): string {
  return `/%${letter.charCodeAt(0).toString(16)}`;
}
