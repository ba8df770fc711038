import { ReadAhead, ReadAheadShare } from '../../src/relay/read-ahead.js';
import type { Relay } from '../../src/relay/relay.js';
import type { SubscriptionRelay } from '../../src/relay/subscription-relay.js';
import { until } from '../queue/until.js';
import { retryAt } from '../store/conformance/log-fixture.js';
import { openTestStore, sqliteServer } from '../store/databases.js';
import { ManualClock, Scene, startNode, type World } from './relay-fixture.js';

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index + 1));

describe('messages that are read ahead', () => {
  let world: World;
  let node: Relay;

  const join = async (readAheadMax: number, windowMin = 4): Promise<void> => {
    node = await startNode(world, 'node-1', { settings: { windowMax: 20, windowMin, readAheadMax } });
  };
  /** A subscription with 30 messages, once it has read what it may. */
  const withBacklog = async (): Promise<[Scene, SubscriptionRelay]> => {
    const scene = await Scene.make(world);
    // Read at once are whole chunks.
    for (const name of names(30)) await scene.append([name]);
    const relay = await scene.on(node);
    await until('the end of reading', () => !relay.work.reading);
    return [scene, relay];
  };

  /** A subscription without messages, whose consumer has asked for some. */
  const asked = async (): Promise<[Scene, SubscriptionRelay]> => {
    const scene = await Scene.make(world);
    const relay = await scene.on(node);
    expect(await relay.take(1, 30_000)).toEqual([]);
    return [scene, relay];
  };

  beforeEach(async () => {
    world = { clock: new ManualClock(), opened: await openTestStore(sqliteServer) };
  });

  afterEach(async () => {
    await node.stop();
    await world.opened.close();
  });

  test('are few until a consumer asks', async () => {
    await join(1_000);
    const [scene, relay] = await withBacklog();
    expect(relay.work.ready).toBe(4);
    const taken = await relay.take(4, 30_000);
    expect(taken.map((delivery) => scene.name(delivery))).toEqual(names(4));
    await until('the end of reading', () => !relay.work.reading);
    expect(relay.work.ready).toBe(20);
  });

  test('are bounded over all subscriptions of a node, and whoever asks gets them all the same', async () => {
    await join(10);
    const backlogs: [Scene, SubscriptionRelay][] = [];
    for (let count = 0; count < 5; count += 1) backlogs.push(await withBacklog());
    expect(backlogs.map(([, relay]) => relay.work.ready)).toEqual([4, 4, 0, 0, 0]);
    for (const [scene, relay] of backlogs.reverse()) expect(await scene.takeNames(relay)).toEqual(names(30));
  });

  test('beyond the bound come to a consumer that waits, in order', async () => {
    await join(4);
    await withBacklog();
    const [scene, relay] = await asked();
    const heard = new Promise<void>((resolve) => relay.onReady(resolve));
    await scene.append(['a1', 'a2', '3']);
    await scene.on(node);
    await heard;
    expect(await scene.takeNames(relay)).toEqual(['a1', '3']);
  });

  test('beyond the bound come from all shards of a topic', async () => {
    await join(4);
    await withBacklog();
    const scene = await Scene.make(world, {}, 12);
    for (let shard = 0; shard < 12; shard += 1) {
      for (const name of names(30)) await scene.append([`${shard}.${name}`], {}, shard);
    }
    const relay = await scene.on(node);
    const shards = new Set<number>();
    for (let taken = 0; taken < 25; taken += 1) {
      for (const { shard } of await relay.take(4, 30_000)) shards.add(shard);
    }
    expect(shards.size).toBe(12);
  });

  test('beyond the bound come to each of several callers', async () => {
    await join(4);
    await withBacklog();
    const [, relay] = await withBacklog();
    const taken = await Promise.all([relay.take(4, 30_000), relay.take(1, 30_000)]);
    expect(taken.map(({ length }) => length)).toEqual([4, 1]);
  });

  test('are few, too, where a consumer asked and has gone', async () => {
    await join(4);
    await withBacklog();
    const [scene, relay] = await asked();
    for (const [offset, name] of names(30).entries()) {
      await scene.append([name]);
      const refs = [{ id: `${scene.topic}:${name}` }];
      relay.appended({ topic: scene.topic, shard: 0, firstOffset: offset, refs, appendedAt: 0 });
    }
    await until('the end of reading', () => !relay.work.reading);
    expect(relay.work.ready).toBe(1);
    expect(await scene.takeNames(relay)).toEqual(names(30));
  });

  test('are all kept where a chunk with busy keys fills the node', async () => {
    await join(4, 1);
    const [scene, relay] = await asked();
    const chunk = ['1', '2', '3', '4', 'a1', 'a2', 'a3', 'a4'];
    await scene.append(chunk);
    const refs = chunk.map((name) => ({ id: `${scene.topic}:${name}`, ...(name[0] === 'a' && { keyHash: 'a' }) }));
    relay.appended({ topic: scene.topic, shard: 0, firstOffset: 0, refs, appendedAt: 0 });
    const seen: string[] = [];
    for (let taken = await scene.takeAll(relay); taken.length > 0; taken = await scene.takeAll(relay)) {
      seen.push(...taken.map((delivery) => scene.name(delivery)));
      await scene.settle(relay, taken);
    }
    expect(seen).toEqual(chunk);
  });

  test('and due retries come, while others fill the bound', async () => {
    await join(4);
    await withBacklog();
    const scene = await Scene.make(world);
    await scene.append(['1', '2']);
    const relay = await scene.on(node);
    await scene.settle(relay, await scene.takeAll(relay), { kind: 'nack', error: 'no', delayMs: 1_000 });
    await scene.later(relay, 1_000);
    expect((await scene.takeAll(relay)).map(({ attempt }) => attempt)).toEqual([2, 2]);
  });

  test('are not read again where an earlier owner had stored one of them, unknowingly', async () => {
    await join(4);
    await withBacklog();
    const scene = await Scene.make(world);
    for (const name of ['a1', '1', '2', '3', 'a2']) await scene.append([name]);
    const ref = { id: `${scene.topic}:a2`, keyHash: 'a' };
    await scene.leave({ retriesPut: [retryAt(0, 4, { ref, state: 'waiting_for_key', attempt: 0 })] });
    const relay = await scene.on(node);
    const [first] = await relay.take(1, 30_000);
    expect(scene.name(first!)).toBe('a1');
    await scene.settle(relay, [first!]);
    const rest = await scene.takeAll(relay);
    expect(rest.map((delivery) => scene.name(delivery)).sort()).toEqual(['1', '2', '3', 'a2']);
    await scene.settle(relay, rest);
    expect(await scene.takeNames(relay)).toEqual([]);
    expect(await scene.seize()).toMatchObject([{ settledOffset: 5, settledAbove: [] }]);
  });

  test('of a subscription that another node takes count no more', async () => {
    await join(4);
    const [, relay] = await withBacklog();
    const [, next] = await withBacklog();
    expect([relay.work.ready, next.work.ready]).toEqual([4, 0]);
    relay.drop();
    const [, last] = await withBacklog();
    expect(last.work.ready).toBe(4);
  });
});

describe('the share of a subscription', () => {
  test('leaves the node with it, and what is done to it later does not count', () => {
    const whole = new ReadAhead({ readAheadMax: 3 });
    const [ended, other] = [new ReadAheadShare(whole), new ReadAheadShare(whole)];
    ended.add(2);
    other.add(1);
    expect([whole.count, whole.isFull]).toEqual([3, true]);
    ended.close();
    ended.add(-1);
    ended.close();
    expect([whole.count, whole.isFull, whole.isHalfFull]).toEqual([1, false, false]);
  });
});
