import type { Access } from '../../src/api/endpoint.js';
import { endpoints } from '../../src/api/endpoints.js';
import { RunningBroker } from './running-broker.js';

/** Who may call what, written out once more: a call that is missing here, or opened by mistake, fails. */
const expected: Record<string, Access> = {
  'POST /v1/transactions': ['produce'],
  'POST /v1/transactions/batch': ['produce'],
  'POST /v1/transactions/:id/commit': ['produce', 'admin'],
  'POST /v1/transactions/:id/rollback': ['produce', 'admin'],
  'POST /v1/transactions/:id/check': ['produce', 'admin'],
  'GET /v1/transactions/:id': ['produce', 'admin'],
  'GET /v1/transactions': ['produce', 'admin'],
  'POST /v1/messages': ['produce'],
  'GET /v1/messages/:id': ['produce', 'admin'],
  'GET /v1/messages': ['produce', 'admin'],
  'DELETE /v1/messages/:id': ['produce', 'admin'],
  'POST /v1/subscriptions/:topic/:group/receive': ['consume'],
  'POST /v1/subscriptions/:topic/:group/ack': ['consume'],
  'POST /v1/subscriptions/:topic/:group/nack': ['consume'],
  'POST /v1/subscriptions/:topic/:group/extend': ['consume'],
  'POST /v1/deliveries/receive': ['consume'],
  'POST /v1/deliveries/ack': ['consume'],
  'PUT /v1/subscriptions/:topic/:group': ['admin'],
  'GET /v1/subscriptions/:topic/:group': ['admin'],
  'DELETE /v1/subscriptions/:topic/:group': ['admin'],
  'GET /v1/subscriptions': ['admin'],
  'POST /v1/subscriptions/:topic/:group/pause': ['admin'],
  'POST /v1/subscriptions/:topic/:group/resume': ['admin'],
  'POST /v1/subscriptions/:topic/:group/seek': ['admin'],
  'POST /v1/subscriptions/:topic/:group/rotate-secret': ['admin'],
  'POST /internal/subscriptions/:topic/:group/changed': 'node',
  'PUT /v1/topics/:topic': ['admin'],
  'GET /v1/topics/:topic': ['admin'],
  'DELETE /v1/topics/:topic': ['admin'],
  'GET /v1/topics': ['admin'],
  'PUT /v1/producers/:producer': ['produce', 'admin'],
  'GET /v1/producers/:producer': ['produce', 'admin'],
  'DELETE /v1/producers/:producer': ['produce', 'admin'],
  'POST /v1/producers/:producer/rotate-secret': ['produce', 'admin'],
  'GET /v1/producers/:producer/checks': ['produce', 'admin'],
  'POST /internal/producers/:producer/ask': 'node',
  'GET /v1/producers': ['admin'],
  'GET /v1/dead-letters': ['admin'],
  'POST /v1/dead-letters/redrive': ['admin'],
  'POST /v1/dead-letters/discard': ['admin'],
  'GET /v1/nodes': ['produce', 'consume', 'admin'],
  'GET /health/live': 'open',
  'GET /health/ready': 'open',
  'GET /metrics': ['admin'],
  'GET /openapi.json': 'open',
  'GET /docs': 'open',
  'GET /docs/:asset': 'open',
};

describe('who may call what', () => {
  let broker: RunningBroker;

  beforeAll(async () => {
    broker = await RunningBroker.start({
      apiKeys: 'shop:p-secret:produce,worker:c-secret:consume,ops:a-secret:admin,all:x-secret:produce+consume+admin',
    });
  });

  afterAll(() => broker.stop());

  const as = (secret: string | null, method: string, path: string, body?: unknown) =>
    broker.call(method, path, body, secret === null ? {} : { authorization: `Bearer ${secret}` });
  const typeOf = async (...call: Parameters<typeof as>) => {
    const { status, body } = await as(...call);
    return `${status} ${String(body?.type).replace('urn:halfbox:problem:', '')}`;
  };
  const secretOf: Record<string, string> = { produce: 'p-secret', consume: 'c-secret', admin: 'a-secret' };

  it('every route that is served has an entry here, and every entry is served', () => {
    const described = Object.fromEntries(endpoints.map(({ spec }) => [`${spec.method} ${spec.path}`, spec.access]));
    expect(described).toEqual(expected);
    expect(new Set(endpoints)).toEqual(broker.node.http.routes.endpoints);
  });

  it.each(Object.entries(expected))('%s takes %j', async (call, access) => {
    const [method, path] = call.split(' ') as [string, string];
    const filled = path.replace(':asset', 'start.js').replace(/:[a-z]+/g, 'none');
    for (const [scope, secret] of Object.entries(secretOf)) {
      const { status, body } = await as(secret, method, filled);
      // Another key's producer is refused with the same status; which rule refused is told by the words.
      const refused = status === 403 && String(body.detail).startsWith('this call needs');
      expect([scope, refused]).toEqual([
        scope,
        access === 'node' || (access !== 'open' && !access.includes(scope as 'admin')),
      ]);
    }
    for (const secret of [null, 'wrong', 'p-secre', 'p-secret2']) {
      const { status } = await as(secret, method, filled);
      expect([secret, status === 401]).toEqual([secret, access !== 'open']);
    }
  });

  it('401 says how to send the key', async () => {
    const answer = await as(null, 'GET', '/v1/topics');
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    const basic = await broker.call('GET', '/v1/topics', undefined, { authorization: 'Basic YS1zZWNyZXQ=' });
    expect(basic.status).toBe(401);
    const lower = await broker.call('GET', '/v1/topics', undefined, { authorization: 'bearer a-secret' });
    expect(lower.status).toBe(200);
  });

  it('a producing key manages the producer of its own name only', async () => {
    expect(await typeOf('p-secret', 'PUT', '/v1/producers/shop', {})).toBe('200 undefined');
    expect(await typeOf('p-secret', 'GET', '/v1/producers/shop')).toBe('200 undefined');
    expect(await typeOf('a-secret', 'PUT', '/v1/producers/other', {})).toBe('200 undefined');
    for (const [method, path] of [
      ['PUT', ''],
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/rotate-secret'],
    ] as const) {
      expect(await typeOf('p-secret', method, `/v1/producers/other${path}`, method === 'PUT' ? {} : undefined)).toBe(
        '403 forbidden',
      );
    }
  });

  it('resolving as an operator needs admin, as a producer produce', async () => {
    const prepare = { id: 'tx', producer: 'shop', messages: [{ topic: 'orders', body: 1 }] };
    await as('x-secret', 'PUT', '/v1/topics/orders', {});
    await as('x-secret', 'PUT', '/v1/producers/shop', {});
    expect((await as('p-secret', 'POST', '/v1/transactions', prepare)).status).toBe(201);
    const operator = { by: 'operator', reason: 'asked to' };
    expect(await typeOf('p-secret', 'POST', '/v1/transactions/tx/commit', operator)).toBe('403 forbidden');
    expect(await typeOf('a-secret', 'POST', '/v1/transactions/tx/commit')).toBe('403 forbidden');
    const committed = await as('a-secret', 'POST', '/v1/transactions/tx/commit', operator);
    expect(committed.body).toMatchObject({ state: 'committed', resolvedBy: 'operator' });
    const { items } = await broker.services.store.catalog.listAudit(undefined, 10);
    expect(items.at(-1)).toMatchObject({ actor: 'ops', action: 'transaction.commit', target: 'tx' });
  });

  it('another node is known by the secret of the store, and by nothing else', async () => {
    const notice = (headers: Record<string, string>) =>
      broker.call('POST', '/internal/subscriptions/orders/g/changed', undefined, headers);
    expect((await notice({ 'halfbox-node': broker.services.node.secret })).status).toBe(204);
    expect((await notice({ 'halfbox-node': 'wrong' })).status).toBe(401);
    expect((await notice({ 'halfbox-node': '' })).status).toBe(401);
    expect((await notice({ authorization: 'Bearer x-secret' })).status).toBe(403);
    const both = await notice({ 'halfbox-node': 'wrong', authorization: 'Bearer x-secret' });
    expect(both.status).toBe(401);
  });
});

describe('without keys', () => {
  it('web pages of other places cannot use the browser of this machine', async () => {
    const broker = await RunningBroker.start();
    const statusOf = async (headers: Record<string, string>) =>
      (await broker.call('POST', '/v1/transactions/a/commit', undefined, headers)).status;
    const { port } = new URL(broker.url);
    for (const origin of [`http://127.0.0.1:${port}`, `http://localhost:${port}`])
      expect(await statusOf({ origin })).toBe(404);
    for (const origin of ['https://example.org', 'null', 'http://127.0.0.1.example.org']) {
      expect([origin, await statusOf({ origin })]).toEqual([origin, 403]);
    }
    const { request } = await import('undici');
    const rebound = await request(`${broker.url}/v1/topics`, { headers: { host: `example.org:${port}` } });
    expect(rebound.statusCode).toBe(403);
    await broker.stop();
  });

  it('everyone who reaches the server may do everything but speak for a node', async () => {
    const broker = await RunningBroker.start();
    expect((await broker.get('/v1/topics')).status).toBe(200);
    expect((await broker.post('/internal/subscriptions/orders/g/changed')).status).toBe(403);
    await broker.stop();
  });
});
