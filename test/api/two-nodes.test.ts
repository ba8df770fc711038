import { completeSettings } from '../../src/config/settings.js';
import { SERVICES, type Services } from '../../src/api/services.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { startNode, type RunningNode } from '../../src/server/node.js';
import { mysqlServer } from '../store/databases.js';
import { eventually } from '../system/broker-process.js';

/** Two nodes of one database in this process: every call is answered by each of them. */
describe('two nodes', () => {
  jest.setTimeout(90_000);
  let place: { url: string; remove(): Promise<void> };
  let nodes: RunningNode[];

  const start = () => startNode(completeSettings({ storeUrl: place.url, port: 0, poolSize: 4 }), silentLogger, 'test');
  const servicesOf = (node: RunningNode) => node.http.app.get<Services>(SERVICES);
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const call = async (node: RunningNode, method: string, path: string, body?: unknown): Promise<any> => {
    const response = await fetch(node.url + path, {
      method,
      ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    return {
      status: response.status,
      type,
      headers: response.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
  };
  const post = (node: RunningNode, path: string, body?: unknown) => call(node, 'POST', path, body);
  /** The node that owns the subscription, and the other one. */
  const sides = (group: string): Promise<{ owner: RunningNode; other: RunningNode }> =>
    eventually('owner', async () => {
      const owner = nodes.find(({ broker }) => broker.relay.owned('orders', group));
      return owner && { owner, other: nodes.find((node) => node !== owner)! };
    });

  beforeAll(async () => {
    place = await mysqlServer.provide();
    nodes = [await start(), await start()];
    await eventually('nodes that know each other', async () =>
      nodes.every(({ broker }) => broker.relay.liveNodes.length === 2) ? true : undefined,
    );
  });

  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await place.remove();
  });

  it('receive, ack, nack and extend reach the owner from every node, problems included', async () => {
    await call(nodes[0]!, 'PUT', '/v1/subscriptions/orders/settling', { mode: 'pull', retry: { fixedMs: 0 } });
    const { other } = await sides('settling');
    const path = '/v1/subscriptions/orders/settling';
    await post(other, '/v1/messages', { topic: 'orders', body: 'é' });
    const receive = async () => (await post(other, `${path}/receive`, { waitMs: 20_000 })).body.deliveries[0];
    const first = await receive();
    expect(first).toMatchObject({ attempt: 1, message: { body: 'é' } });
    const receipts = [first.receipt];
    expect((await post(other, `${path}/extend`, { receipts, visibilityMs: 60_000 })).body.results[0].ok).toBe(true);
    expect((await post(other, `${path}/nack`, { receipts, error: 'x' })).body.results[0].ok).toBe(true);
    const second = await receive();
    expect(second.attempt).toBe(2);
    expect((await post(other, `${path}/ack`, { receipts: [second.receipt] })).body.results[0].ok).toBe(true);
    const stale = await post(other, `${path}/ack`, { receipts: [second.receipt] });
    expect(stale.body.results[0].problem.type).toBe('urn:halfbox:problem:receipt-expired');
  });

  it('one call receives from those that its node has and names the others; one acknowledges of all', async () => {
    const names: { topic: string; group: string }[] = [];
    const owners = new Set<RunningNode>();
    // Which node gets a subscription depends on the ids of the nodes.
    while (names.length < 3 || owners.size < 2) {
      const group = `several-${String(names.length).padStart(3, '0')}`;
      names.push({ topic: 'orders', group });
      await call(nodes[0]!, 'PUT', `/v1/subscriptions/orders/${group}`, { mode: 'pull' });
      owners.add((await sides(group)).owner);
    }
    await post(nodes[0]!, '/v1/messages', { topic: 'orders', body: 'é' });
    const subscriptions = names;
    const deliveries: { topic: string; group: string; receipt: string }[] = [];
    for (const node of nodes) {
      const own = names.filter(({ group }) => node.broker.relay.owned('orders', group));
      const served = await eventually('all are read', async () => {
        const { body } = await post(node, '/v1/deliveries/receive', { subscriptions, max: 256, waitMs: 20_000 });
        const byGroup = (a: { group: string }, b: { group: string }) => (a.group < b.group ? -1 : 1);
        expect(body.notServed.sort(byGroup)).toEqual(names.filter((name) => !own.includes(name)));
        deliveries.push(...body.deliveries.map(({ topic, group, receipt }: never) => ({ topic, group, receipt })));
        const groups = new Set(deliveries.map(({ group }) => group));
        return own.every(({ group }) => groups.has(group)) ? own : undefined;
      });
      expect(served).toEqual(own);
    }
    expect(deliveries.map(({ group }) => group).sort()).toEqual(names.map(({ group }) => group));
    const nobody = { topic: 'orders', group: 'nobody', receipt: deliveries[0]!.receipt };
    const bad = { ...deliveries[0]!, receipt: 'nonsense' };
    for (const [node, again] of nodes.map((node, index) => [node, index > 0] as const)) {
      const { body } = await post(node, '/v1/deliveries/ack', { deliveries: [...deliveries, nobody, bad] });
      const results: { receipt: string; ok?: true; problem?: { type: string; errors?: unknown } }[] = body.results;
      expect(results.map(({ receipt }) => receipt)).toEqual([...deliveries, nobody, bad].map(({ receipt }) => receipt));
      const types = results.map(({ ok, problem }) => ok ?? problem!.type.split(':').at(-1));
      const all = deliveries.map(() => (again ? 'receipt-expired' : true));
      expect(types).toEqual([...all, 'subscription-not-found', 'validation-failed']);
      const path = `deliveries.${names.length + 1}.receipt`;
      expect(results.at(-1)!.problem!.errors).toMatchObject([{ path }]);
    }
  });

  it('a refusal of the owner is passed back as it is', async () => {
    await call(nodes[0]!, 'PUT', '/v1/subscriptions/orders/queued', { mode: 'queue' });
    const { other } = await sides('queued');
    const refused = await post(other, '/v1/subscriptions/orders/queued/receive');
    expect([refused.status, refused.body.type]).toEqual([409, 'urn:halfbox:problem:wrong-mode']);
    expect(refused.type).toMatch(/^application\/problem\+json/);
  });

  it('a pause, a change and a seek count at once, whichever node took them', async () => {
    await call(nodes[0]!, 'PUT', '/v1/subscriptions/orders/changing', { mode: 'pull' });
    const { other, owner } = await sides('changing');
    const path = '/v1/subscriptions/orders/changing';
    await post(owner, '/v1/messages', { messages: [1, 2].map((body) => ({ topic: 'orders', body })) });
    await post(other, `${path}/pause`);
    expect((await post(owner, `${path}/receive`)).body.deliveries).toEqual([]);
    await post(other, `${path}/resume`);
    await call(other, 'PUT', path, { mode: 'pull', maxInFlight: 1 });
    expect((await post(owner, `${path}/receive`, { max: 10, waitMs: 20_000 })).body.deliveries).toHaveLength(1);
    await post(other, `${path}/seek`, { to: 'latest' });
    expect((await post(owner, `${path}/receive`)).body.deliveries).toEqual([]);
    expect((await call(owner, 'GET', path)).body).toMatchObject({ backlog: 0, inFlight: 0 });
  });

  it('a request that came from another node is not passed on again', async () => {
    await call(nodes[0]!, 'PUT', '/v1/subscriptions/orders/hop', { mode: 'pull' });
    const { other } = await sides('hop');
    const response = await fetch(`${other.url}/v1/subscriptions/orders/hop/receive`, {
      method: 'POST',
      headers: { 'halfbox-node': servicesOf(other).node.secret },
    });
    expect(response.status).toBe(421);
    expect(await response.json()).toMatchObject({ type: 'urn:halfbox:problem:not-owner' });
  });

  it('a caller that goes away leaves nothing in flight on the owner', async () => {
    await call(nodes[0]!, 'PUT', '/v1/subscriptions/orders/leaving', { mode: 'pull' });
    const { owner, other } = await sides('leaving');
    const received = jest.spyOn(owner.broker.pull, 'receive');
    const gone = new AbortController();
    const waiting = fetch(`${other.url}/v1/subscriptions/orders/leaving/receive`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ waitMs: 30_000 }),
      signal: gone.signal,
    }).catch(() => null);
    const signal = await eventually('waiting call', async () => received.mock.calls[0]?.[3]);
    gone.abort();
    await waiting;
    await eventually('call given up on the owner', async () => (signal.aborted ? true : undefined));
    await post(other, '/v1/messages', { topic: 'orders', body: 1 });
    const { deliveries } = (await post(other, '/v1/subscriptions/orders/leaving/receive', { waitMs: 20_000 })).body;
    expect(deliveries).toMatchObject([{ attempt: 1 }]);
  });

  it('an owner that does not answer is waited for, and then 503 with Retry-After', async () => {
    await call(nodes[0]!, 'PUT', '/v1/subscriptions/orders/silent', { mode: 'pull' });
    const { owner, other } = await sides('silent');
    const services = servicesOf(other);
    const takeOverWaitMs = services.takeOverWaitMs;
    services.takeOverWaitMs = 300;
    const away = { id: owner.broker.id, url: 'http://127.0.0.1:9', version: 'test', startedAt: 0, expiresAt: Infinity };
    const locate = jest.spyOn(services.relay, 'locate').mockResolvedValue({ node: away });
    const answer = await post(other, '/v1/subscriptions/orders/silent/receive');
    expect([answer.status, answer.body.type]).toEqual([503, 'urn:halfbox:problem:unavailable']);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(locate.mock.calls.length).toBeGreaterThan(1);
    locate.mockRestore();
    services.takeOverWaitMs = takeOverWaitMs;
    expect((await post(other, '/v1/subscriptions/orders/silent/receive')).status).toBe(200);
  });

  it('a stopped owner is taken over while the call waits', async () => {
    await call(nodes[0]!, 'PUT', '/v1/subscriptions/orders/moving', { mode: 'pull' });
    const { owner, other } = await sides('moving');
    await post(other, '/v1/messages', { topic: 'orders', body: 'kept' });
    const [, received] = await Promise.all([
      owner.stop(),
      post(other, '/v1/subscriptions/orders/moving/receive', { waitMs: 20_000 }),
    ]);
    const deliveries =
      received.body.deliveries.length > 0
        ? received.body.deliveries
        : (await post(other, '/v1/subscriptions/orders/moving/receive', { waitMs: 20_000 })).body.deliveries;
    expect(deliveries).toMatchObject([{ attempt: 1, message: { body: 'kept' } }]);
  });
});
