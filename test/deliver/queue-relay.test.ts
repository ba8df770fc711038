import { QueueBridge } from '../../src/deliver/queue-bridge.js';
import { systemClock } from '../../src/message/clock.js';
import type { FailedInJob } from '../../src/message/job-result.js';
import { orderingKeyHash } from '../../src/message/ordering-key.js';
import type { SubscriptionConfig } from '../../src/message/subscription.js';
import { BullEngine } from '../../src/queue/bull/bull-engine.js';
import { RedisConnections } from '../../src/queue/bull/redis-connections.js';
import type { JobHandler } from '../../src/queue/queue-engine.js';
import { Relay } from '../../src/relay/relay.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { PrivateRedis } from '../queue/private-redis.js';
import { until } from '../queue/until.js';
import { appendChunk, freshName, insertTopic, pullConfig } from '../store/conformance/log-fixture.js';
import { describeEachStore, type TestStore } from '../store/databases.js';
import { countedIn, noCounts, type BridgeCounts } from './bridge-counts.js';

const group = 'mail';
const fast = { reconcileMs: 200, pollMs: 50, retryMs: 10, retryMsMax: 100 };

describeEachStore('a queue behind the relay', (open) => {
  describe.each([1, 25])('with %i messages a job', (messagesPerJob) => behind(open, messagesPerJob));
});

function behind(open: () => Promise<TestStore>, messagesPerJob: number): void {
  let opened: TestStore;
  let redis: PrivateRedis;
  let connections: RedisConnections;
  let engine: BullEngine;
  let topic: string;
  let nodes: Relay[];
  let counts: BridgeCounts;
  let cleanUp: (() => Promise<unknown>)[];

  beforeAll(async () => {
    opened = await open();
    redis = await PrivateRedis.start();
    connections = new RedisConnections(redis.url, silentLogger, { reconnectMsMax: 100 });
    engine = new BullEngine(connections, silentLogger);
  });
  afterAll(async () => {
    connections.close();
    await redis.stop();
  });
  beforeEach(async () => {
    topic = freshName('orders');
    nodes = [];
    cleanUp = [];
    counts = { ...noCounts };
    await insertTopic(opened.database, { name: topic, shards: 2 });
  });
  afterEach(async () => {
    for (const clean of cleanUp.reverse()) await clean();
    await Promise.all(nodes.map((node) => node.stop()));
    await opened.store.subscriptions.remove(topic, group, true);
  });

  async function startNode(name: string): Promise<Relay> {
    const parts = { engine, clock: systemClock, logger: silentLogger, events: countedIn(counts) };
    const node = new Relay({
      store: opened.store,
      clock: systemClock,
      logger: silentLogger,
      node: { id: `${topic}-${name}`, url: `http://${name}`, version: '1', startedAt: 0 },
      consumers: (owned) => new QueueBridge(owned, parts, fast),
      settings: { headsIntervalMs: 50, headsIntervalSharedMs: 50, tickMsMin: 10 },
    });
    await node.start();
    nodes.push(node);
    return node;
  }

  async function subscribe(changes: Partial<SubscriptionConfig> = {}): Promise<void> {
    const config = pullConfig({ mode: 'queue', retry: { fixedMs: 0 }, messagesPerJob, ...changes });
    await opened.store.subscriptions.put(topic, group, config, 'earliest', undefined, Date.now());
  }

  async function append(count: number, keys = 0, shard = 0): Promise<void> {
    const refs = Array.from({ length: count }, (_, n) => {
      const id = `${topic}:${shard}:${n}`;
      return keys === 0 ? { id } : { id, keyHash: orderingKeyHash(`key${n % keys}`) };
    });
    await appendChunk(opened.database, topic, shard, refs, Date.now());
  }

  function work(handler: JobHandler, concurrency = 20): void {
    const worker = engine.process(topic, group, concurrency, async (data) => {
      if (data.messages === undefined) return handler(data);
      const failed: FailedInJob[] = [];
      const handle = async (message: Record<string, unknown>): Promise<void> => {
        try {
          await handler(message);
        } catch (error) {
          failed.push({ id: message.id as string, error: (error as Error).message });
        }
      };
      await Promise.all((data.messages as Record<string, unknown>[]).map(handle));
      return { failed };
    });
    cleanUp.push(() => worker.close());
  }

  const settled = (): Promise<true> =>
    until(
      'nothing is unsettled',
      async () => {
        const { backlog, inFlight, retrying } = await opened.store.subscriptions.counts(topic, group);
        return backlog + inFlight + retrying === 0;
      },
      25_000,
    );

  it('delivers all, each ordering key in its order, through failures and a wiped Redis', async () => {
    await subscribe();
    await append(600, 30);
    const order = new Map<number, number[]>();
    let running = 0;
    work(async ({ offset, attempt }) => {
      running++;
      await new Promise(setImmediate);
      if (Number(offset) % 50 === 0 && attempt === 1) throw new Error('no stock');
      const key = Number(offset) % 30;
      order.set(key, [...(order.get(key) ?? []), Number(offset)]);
    });
    await startNode('one');
    await until('some have run', () => running >= 100);
    await redis.ask((client) => client.flushall());
    await settled();
    expect(order.size).toBe(30);
    for (const offsets of order.values()) {
      expect(new Set(offsets).size).toBe(20);
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    }
    expect((await opened.store.subscriptions.counts(topic, group)).dead).toBe(0);
  });

  it('buries what fails every time, with what the handler threw', async () => {
    await subscribe({ maxAttempts: 3 });
    await append(2);
    const attempts: unknown[] = [];
    work(({ offset, attempt }) => {
      if (offset !== 1) return;
      attempts.push(attempt);
      throw new Error('cannot be read');
    });
    await startNode('one');
    await settled();
    expect(attempts).toEqual([1, 2, 3]);
    const { items } = await opened.store.deadLetters.list({ topic, group }, undefined, 10);
    expect(items).toMatchObject([{ messageId: `${topic}:0:1`, attempts: 3, error: 'cannot be read' }]);
  });

  it('is handed over while jobs wait and run, without a duplicate', async () => {
    await subscribe();
    await append(400);
    const seen: string[] = [];
    let open = (): void => {};
    const opened_ = new Promise<void>((resolve) => (open = resolve));
    work(async ({ id }) => {
      seen.push(id as string);
      if (seen.length > 100) await opened_;
    });
    const first = await startNode('one');
    await until('workers are busy', () => seen.length > 100);
    await first.stop();
    await startNode('two');
    open();
    await settled();
    expect(seen).toHaveLength(400);
    expect(new Set(seen).size).toBe(400);
    expect(counts).toEqual(noCounts);
  });

  it('changes the size of its jobs while it is at work, without losing one', async () => {
    await subscribe();
    await append(1_000, 30);
    const order = new Map<number, number[]>();
    let failures = 0;
    work(async ({ offset, attempt }) => {
      await new Promise(setImmediate);
      const key = Number(offset) % 30;
      if (Number(offset) % 40 === 0 && attempt === 1) throw new Error(`no stock ${(failures += 1)}`);
      order.set(key, [...(order.get(key) ?? []), Number(offset)]);
    });
    const node = await startNode('one');
    for (const size of [256, 1, 7]) {
      const failed = failures;
      await until('it is at work', () => failures > failed + 2);
      const config = pullConfig({ mode: 'queue', retry: { fixedMs: 0 }, messagesPerJob: size });
      await opened.store.subscriptions.put(topic, group, config, 'earliest', undefined, Date.now());
      await node.subscriptionChanged(topic, group);
    }
    await settled();
    const all = [...order.values()].flat();
    expect(all.length).toBe(1_000);
    expect(new Set(all).size).toBe(1_000);
    for (const offsets of order.values()) expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    expect(counts).toEqual(noCounts);
  });

  it('starts afresh after a seek: what waited before it does not run', async () => {
    await subscribe();
    await append(300);
    const node = await startNode('one');
    await until('they wait', async () => (await opened.store.subscriptions.counts(topic, group)).inFlight === 300);
    await opened.store.subscriptions.seek(topic, group, 'latest');
    await node.subscriptionChanged(topic, group);
    await until('cleared away', () => counts.ignored >= 300 / messagesPerJob);
    const seen: unknown[] = [];
    work(({ shard }) => void seen.push(shard));
    await append(10, 0, 1);
    await settled();
    expect(seen).toEqual(Array(10).fill(1));
  });
}
