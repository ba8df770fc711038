import { EndpointsCaller } from '../../../src/client/index.js';
import { completeSettings } from '../../../src/config/settings.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { startNode, type RunningNode } from '../../../src/server/node.js';
import { mysqlServer } from '../../store/databases.js';
import { eventually } from '../../system/broker-process.js';

/** Two nodes of one database in this process; the client is given the address of one. */
describe('EndpointsCaller with two brokers of one store', () => {
  jest.setTimeout(90_000);
  let place: { url: string; remove(): Promise<void> };
  let nodes: RunningNode[];
  const callers: EndpointsCaller[] = [];

  const start = () => startNode(completeSettings({ storeUrl: place.url, port: 0, poolSize: 4 }), silentLogger, 'test');
  const call = (caller: EndpointsCaller) => caller.call({ method: 'GET', path: '/v1/topics', timeoutMs: 5_000 });
  const callerOf = (options: { refreshNodes?: boolean } = {}) => {
    const caller = new EndpointsCaller({ endpoints: [nodes[0]!.url], refreshIntervalMs: 50, ...options });
    callers.push(caller);
    return caller;
  };
  const knows = (caller: EndpointsCaller, urls: string[]) =>
    eventually(`endpoints ${urls.join()}`, async () => {
      await call(caller).catch(() => undefined);
      return caller.endpoints.length === urls.length && urls.every((url) => caller.endpoints.includes(url))
        ? true
        : undefined;
    });

  beforeAll(async () => {
    place = await mysqlServer.provide();
    nodes = [await start(), await start()];
  });

  afterAll(async () => {
    await Promise.all(callers.map((caller) => caller.close()));
    await Promise.all(nodes.map((node) => node.stop()));
    await place.remove();
  });

  it('finds the other broker, spreads the calls, and does without a broker that left', async () => {
    const caller = callerOf();
    const both = nodes.map(({ url }) => url);
    await knows(caller, both);
    const answers = await Promise.all(Array.from({ length: 10 }, () => call(caller)));
    expect(new Set(answers.map(({ endpoint }) => endpoint))).toEqual(new Set(both));
    await nodes[1]!.stop();
    await knows(caller, [nodes[0]!.url]);
    nodes[1] = await start();
    await knows(
      caller,
      nodes.map(({ url }) => url),
    );
  });

  it('calls only what it was given where the list is not to be followed', async () => {
    const caller = callerOf({ refreshNodes: false });
    const until = performance.now() + 300;
    while (performance.now() < until) expect((await call(caller)).endpoint).toBe(nodes[0]!.url);
    expect(caller.endpoints).toEqual([nodes[0]!.url]);
  });
});
