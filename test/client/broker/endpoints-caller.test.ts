import { EndpointsCaller, type EndpointsCallerOptions } from '../../../src/client/index.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { RunningBroker } from '../../api/running-broker.js';
import { eventually } from '../../system/broker-process.js';
import { FakeBroker } from './fake-broker.js';

describe('EndpointsCaller', () => {
  const open: { close(): Promise<void> }[] = [];
  const fakes: FakeBroker[] = [];

  const callerOf = (endpoints: string[], options: Partial<EndpointsCallerOptions> = {}): EndpointsCaller => {
    const caller = new EndpointsCaller({ endpoints, ...options });
    open.push(caller);
    return caller;
  };
  const fake = async (storeId?: string): Promise<FakeBroker> => {
    const broker = await FakeBroker.start(storeId);
    broker.answerWell();
    fakes.push(broker);
    return broker;
  };
  const call = (caller: EndpointsCaller, more: { avoid?: string; timeoutMs?: number } = {}) =>
    caller.call({ method: 'POST', path: '/v1/messages', body: {}, timeoutMs: 5_000, ...more });
  /** Calls until just these endpoints share the calls. */
  const settled = (caller: EndpointsCaller, endpoints: string[]) =>
    eventually(`calls to ${endpoints.join()}`, async () => {
      const answers = await Promise.all(Array.from({ length: 2 * endpoints.length }, () => call(caller)));
      const called = new Set(answers.map(({ endpoint }) => endpoint));
      const looked = endpoints.every((url) => fakes.some((one) => one.url === url && one.calls.length > one.realCalls));
      return looked && called.size === endpoints.length ? true : undefined;
    });

  afterEach(async () => {
    await Promise.all(fakes.splice(0).map((broker) => broker.stop()));
    await Promise.all(open.splice(0).map((caller) => caller.close()));
  });

  it('does not delay the first call by asking who is live, and asks once', async () => {
    const broker = await fake();
    let nodesAsked = 0;
    broker.answer = (path, response) => void (path === '/v1/nodes' ? (nodesAsked += 1) : response.end('{}'));
    const caller = callerOf([broker.url]);
    for (let n = 0; n < 5; n += 1) expect(await call(caller)).toMatchObject({ status: 200, endpoint: broker.url });
    expect(nodesAsked).toBe(1);
  });

  it('spreads calls over the endpoints, and tries another one than the one to avoid', async () => {
    const [one, two] = [await fake(), await fake()];
    const caller = callerOf([one.url, two.url]);
    await settled(caller, [one.url, two.url]);
    const answers = await Promise.all(Array.from({ length: 20 }, () => call(caller)));
    expect(answers.filter(({ endpoint }) => endpoint === one.url)).toHaveLength(10);
    for (let n = 0; n < 4; n += 1) expect((await call(caller, { avoid: one.url })).endpoint).toBe(two.url);
    const alone = callerOf([one.url]);
    expect((await call(alone, { avoid: one.url })).endpoint).toBe(one.url);
  });

  it('gives the endpoint with the fewest calls in flight the next one', async () => {
    const [slow, quick] = [await fake(), await fake()];
    const caller = callerOf([slow.url, quick.url]);
    await settled(caller, [slow.url, quick.url]);
    const held: (() => void)[] = [];
    slow.answer = (_path, response) => void held.push(() => response.end('{}'));
    const before = quick.realCalls;
    const waiting = Promise.all([call(caller), call(caller)]);
    await eventually('held call', async () => (held.length === 1 ? true : undefined));
    for (let n = 0; n < 6; n += 1) expect((await call(caller)).endpoint).toBe(quick.url);
    expect(quick.realCalls - before).toBe(7);
    for (const release of held) release();
    await waiting;
  });

  it.each([
    ['cuts connections', (broker: FakeBroker) => broker.cutAll()],
    ['answers 503', (broker: FakeBroker) => broker.answerStatus(503)],
    ['answers 421', (broker: FakeBroker) => broker.answerStatus(421)],
  ])('avoids an endpoint that %s for a growing time, and looks before it calls it again', async (_, fail) => {
    const [bad, good] = [await fake(), await fake()];
    const caller = callerOf([bad.url, good.url]);
    await settled(caller, [bad.url, good.url]);
    fail(bad);
    const failedBefore = bad.calls.length;
    await eventually('three looks at the bad one', async () => {
      await call(caller).catch(() => undefined);
      return bad.calls.length >= failedBefore + 4 ? true : undefined;
    });
    const [first, ...looks] = bad.calls.slice(failedBefore);
    expect(first!.path).toBe('/v1/messages');
    expect(looks.map(({ path }) => path)).toEqual(['/v1/nodes', '/v1/nodes', '/v1/nodes']);
    const gaps = looks.map(({ at }, index) => at - bad.calls[failedBefore + index]!.at);
    gaps.forEach((gap, index) => expect(gap).toBeGreaterThanOrEqual(100 * 2 ** index - 1));
    expect(caller.endpoints).toEqual([good.url]);
    bad.answerWell();
    await settled(caller, [bad.url, good.url]);
  });

  it('calls the endpoint whose time ends first when all are avoided', async () => {
    const [one, two] = [await fake(), await fake()];
    const caller = callerOf([one.url, two.url], { avoidMsMin: 10_000 });
    await settled(caller, [one.url, two.url]);
    one.cutAll();
    two.cutAll();
    const first = await call(caller).catch((error: { url: string }) => error.url);
    const second = await call(caller).catch((error: { url: string }) => error.url);
    expect([first, second].sort()).toEqual([one.url, two.url].sort());
    one.answerWell();
    two.answerWell();
    expect((await call(caller)).endpoint).toBe(first);
    expect((await call(caller)).endpoint).toBe(first);
  });

  it('does not hold it against a broker that its caller gave up', async () => {
    const broker = await fake();
    const caller = callerOf([broker.url]);
    await settled(caller, [broker.url]);
    broker.answer = () => undefined;
    const giveUp = new AbortController();
    const given = caller.call({ method: 'GET', path: '/slow', timeoutMs: 5_000, signal: giveUp.signal });
    await eventually('call', async () => (broker.calls.at(-1)?.path === '/slow' ? true : undefined));
    giveUp.abort();
    await expect(given).rejects.toMatchObject({ code: 'broker-unreachable', mayBeDone: true });
    expect(caller.endpoints).toEqual([broker.url]);
    await expect(call(caller, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'broker-unreachable' });
  });

  it('refuses endpoints of another store than the first one, and says so once', async () => {
    const [ours, other] = [await RunningBroker.start(), await RunningBroker.start()];
    const warnings: object[] = [];
    const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(fields) };
    const caller = callerOf([ours.url, other.url], { logger, refreshIntervalMs: 20 });
    await eventually('refused endpoint', async () => {
      expect((await call(caller)).endpoint).toBe(ours.url);
      return warnings.length > 0 ? true : undefined;
    });
    const looked = performance.now() + 200;
    while (performance.now() < looked) expect((await call(caller)).endpoint).toBe(ours.url);
    expect(warnings).toEqual([expect.objectContaining({ endpoint: other.url })]);
    await ours.stop();
    await expect(call(caller)).rejects.toMatchObject({ url: ours.url });
    await expect(call(caller)).rejects.toMatchObject({ url: ours.url });
    await other.stop();
  });

  it.each(['{}', 'null', '7', '{"storeId":"s"}', '{"storeId":"s","items":[null]}', '{"items":[]}'])(
    'takes %s for no list of brokers, and goes on',
    async (list) => {
      const unhandled: unknown[] = [];
      const onUnhandled = (error: unknown) => unhandled.push(error);
      process.on('unhandledRejection', onUnhandled);
      const broker = await fake();
      broker.answer = (path, response) => void response.end(path === '/v1/nodes' ? list : '{}');
      const caller = callerOf([broker.url], { refreshIntervalMs: 1 });
      await settled(caller, [broker.url]);
      await new Promise((resolve) => setImmediate(resolve));
      process.off('unhandledRejection', onUnhandled);
      expect(unhandled).toEqual([]);
      const other = await fake('store-1');
      const second = callerOf([broker.url, other.url], { refreshIntervalMs: 1 });
      await eventually('calls to the broker that knows its store', async () =>
        (await call(second)).endpoint === other.url ? true : undefined,
      );
    },
  );

  it('can be closed twice', async () => {
    const broker = await fake();
    const caller = callerOf([broker.url]);
    await call(caller);
    await Promise.all([caller.close(), caller.close()]);
    await caller.close();
  });

  it('follows when every given endpoint serves another store', async () => {
    const broker = await fake('store-1');
    const warnings: object[] = [];
    const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(fields) };
    const caller = callerOf([broker.url], { logger, refreshIntervalMs: 20 });
    await settled(caller, [broker.url]);
    const answer = JSON.stringify({ storeId: 'store-2', items: [], next: null });
    broker.answer = (path, response) => void response.end(path === '/v1/nodes' ? answer : '{}');
    await eventually('a word about it', async () => {
      expect((await call(caller)).status).toBe(200);
      return warnings.some((fields) => 'formerStoreId' in fields) ? true : undefined;
    });
    expect(caller.endpoints).toEqual([broker.url]);
  });
});
