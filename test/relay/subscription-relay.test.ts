import type { Relay } from '../../src/relay/relay.js';
import { openTestStore, storeServers } from '../store/databases.js';
import { ManualClock, Scene, startNode, type World } from './relay-fixture.js';

describe.each(storeServers)('one owned subscription on $name', (server) => {
  let world: World;
  let node: Relay;

  beforeAll(async () => {
    world = { clock: new ManualClock(), opened: await openTestStore(server) };
    node = await startNode(world, 'node-1');
  });

  afterAll(async () => {
    await node.stop();
    await world.opened.close();
  });

  test('gives every message once, in order, and moves its cursor to the end', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1', '2', '3', '4', '5']);
    const relay = await scene.on(node);
    const first = await relay.take(2, 30_000);
    expect(first.map((delivery) => [scene.name(delivery), delivery.attempt])).toEqual([
      ['1', 1],
      ['2', 1],
    ]);
    const rest = await scene.takeAll(relay);
    expect(rest.map((delivery) => scene.name(delivery))).toEqual(['3', '4', '5']);
    expect(await scene.settle(relay, [...rest, ...first])).toEqual(Array(5).fill('settled'));
    expect(await scene.settle(relay, first)).toEqual(['stale', 'stale']);
    expect(await scene.seize()).toMatchObject([{ settledOffset: 5, settledAbove: [], given: [] }]);
  });

  test('stores what it gives out before it gives it', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1', '2', '3']);
    const relay = await scene.on(node);
    const [one, two] = await relay.take(2, 7_000);
    await scene.settle(relay, [two!]);
    expect(await scene.seize()).toMatchObject([
      { settledOffset: 0, settledAbove: [[1, 2]], given: [{ from: 0, to: 1, dueAt: one!.claimedUntil }] },
    ]);
    expect(one!.claimedUntil).toBe(world.clock.now() + 7_000);
  });

  test('takes what was appended on its node from memory, and what was not from the store', async () => {
    const scene = await Scene.make(world);
    const relay = await scene.on(node);
    let ready = 0;
    relay.onReady(() => (ready += 1));
    await scene.append(['1']);
    node.appended([
      { topic: scene.topic, shard: 0, firstOffset: 0, appendedAt: 0, refs: [{ id: `${scene.topic}:1` }] },
    ]);
    await scene.append(['2', '3']);
    node.appended([
      { topic: scene.topic, shard: 0, firstOffset: 2, appendedAt: 0, refs: [{ id: `${scene.topic}:3` }] },
    ]);
    expect(await scene.takeNames(relay)).toEqual(['1', '2', '3']);
    expect(ready).toBeGreaterThan(0);
  });

  test('settles what its filter does not let through, and writes that soon', async () => {
    const scene = await Scene.make(world, { filter: 'paid||sent' });
    await scene.append(['1'], { tag: 'paid' });
    await scene.append(['2', '3'], { tag: 'open' });
    await scene.append(['4'], { tag: 'sent' });
    await scene.append(['5']);
    const relay = await scene.on(node);
    const taken = await scene.takeAll(relay);
    expect(taken.map((delivery) => scene.name(delivery))).toEqual(['1', '4']);
    await scene.settle(relay, taken.slice(1));
    await scene.later(relay, 200);
    await scene.later(relay, 200);
    expect(await scene.seize()).toMatchObject([{ settledOffset: 0, settledAbove: [[1, 5]] }]);
  });

  test('retries a nack by the policy, with its attempt counted, and lets the others by', async () => {
    const scene = await Scene.make(world, { maxAttempts: 3 });
    await scene.append(['1', '2']);
    const relay = await scene.on(node);
    const [one, two] = await scene.takeAll(relay);
    await scene.settle(relay, [one!], { kind: 'nack', error: 'no stock' });
    await scene.settle(relay, [two!]);
    expect(await scene.retries()).toMatchObject([{ offset: 0, attempt: 1, state: 'due', error: 'no stock' }]);
    await scene.later(relay, 999);
    expect(await scene.takeNames(relay)).toEqual([]);
    await scene.later(relay, 1);
    const [again] = await scene.takeAll(relay);
    expect(again).toMatchObject({ offset: 0, attempt: 2 });
    expect(await scene.settle(relay, [one!])).toEqual(['stale']);
    await scene.settle(relay, [again!], { kind: 'nack', error: 'still none', delayMs: 0 });
    const [last] = await scene.takeAll(relay);
    expect(last!.attempt).toBe(3);
    await scene.settle(relay, [last!], { kind: 'nack', error: 'given up' });
    expect(await scene.deadLetters()).toEqual([{ name: '1', attempts: 3, error: 'given up' }]);
    expect(await scene.retries()).toEqual([]);
    expect(await scene.seize()).toMatchObject([{ settledOffset: 2 }]);
  });

  test('a released try does not count, keeps its key, and is due again at once', async () => {
    const scene = await Scene.make(world, { maxAttempts: 1 });
    await scene.append(['a1', 'a2']);
    const relay = await scene.on(node);
    await scene.settle(relay, await scene.takeAll(relay), { kind: 'release' });
    expect(await scene.retries()).toMatchObject([{ offset: 0, attempt: 0, state: 'due' }]);
    expect((await scene.retries())[0]!.error).toBeUndefined();
    const [again, ...others] = await scene.takeAll(relay);
    expect([again!.offset, again!.attempt, others.length]).toEqual([0, 1, 0]);
    await scene.settle(relay, [again!], { kind: 'release' });
    const [third] = await scene.takeAll(relay);
    expect(third).toMatchObject({ offset: 0, attempt: 1 });
    await scene.settle(relay, [third!]);
    expect(await scene.takeNames(relay)).toEqual(['a2']);
    expect(await scene.deadLetters()).toEqual([]);
    expect(await scene.retries()).toEqual([]);
  });

  test('buries a rejected message at once', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1']);
    const relay = await scene.on(node);
    await scene.settle(relay, await scene.takeAll(relay), { kind: 'reject', error: 'not JSON' });
    expect(await scene.deadLetters()).toEqual([{ name: '1', attempts: 1, error: 'not JSON' }]);
  });

  test('an expired claim is a failed attempt, due again at once; its late outcome does not count', async () => {
    const scene = await Scene.make(world, { maxAttempts: 2 });
    await scene.append(['1']);
    const relay = await scene.on(node);
    const [first] = await relay.take(1, 5_000);
    await scene.later(relay, 4_999);
    expect(await scene.takeNames(relay)).toEqual([]);
    await scene.later(relay, 1);
    const [second] = await relay.take(1, 5_000);
    expect(second).toMatchObject({ offset: 0, attempt: 2 });
    expect(await scene.settle(relay, [first!])).toEqual(['stale']);
    await scene.later(relay, 5_000);
    expect(await scene.takeNames(relay)).toEqual([]);
    expect(await scene.deadLetters()).toEqual([{ name: '1', attempts: 2, error: 'visibility-expired' }]);
  });

  test('an extended claim ends later', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1']);
    const relay = await scene.on(node);
    const [first] = await relay.take(1, 5_000);
    world.clock.advance(4_000);
    expect(await relay.extend([first!, { ...first!, attempt: 2 }], 5_000)).toEqual(['extended', 'stale']);
    await scene.later(relay, 4_999);
    expect(await scene.settle(relay, [first!])).toEqual(['settled']);
  });

  test('never has more than maxInFlight given out, whoever takes', async () => {
    const scene = await Scene.make(world, { maxInFlight: 10 }, 3);
    for (const shard of [0, 1, 2]) {
      await scene.append(
        Array.from({ length: 20 }, (_, index) => `${shard}${index}`),
        {},
        shard,
      );
    }
    const relay = await scene.on(node);
    let given = 0;
    let acked = 0;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (acked < 60) {
          const taken = await relay.take(4, 30_000);
          given += taken.length;
          if (given - acked > 10) throw new Error(`${given - acked} in flight`);
          await scene.settle(relay, taken);
          acked += taken.length;
          if (taken.length === 0) await new Promise(setImmediate);
        }
      }),
    );
    expect(given).toBe(60);
  });

  test('gives out no faster than its rate', async () => {
    const scene = await Scene.make(world, { ratePerSecond: 100 });
    await scene.append(Array.from({ length: 300 }, (_, index) => String(index)));
    const relay = await scene.on(node);
    expect(await scene.takeNames(relay)).toHaveLength(10);
    world.clock.advance(50);
    expect(await scene.takeNames(relay)).toHaveLength(5);
    world.clock.advance(10_000);
    expect(await scene.takeNames(relay)).toHaveLength(10);
  });

  test('gives out nothing while it is paused', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1']);
    const relay = await scene.on(node);
    await world.opened.store.subscriptions.setPaused(scene.topic, scene.group, true);
    await node.subscriptionChanged(scene.topic, scene.group);
    expect(await scene.takeNames(relay)).toEqual([]);
    await world.opened.store.subscriptions.setPaused(scene.topic, scene.group, false);
    await node.subscriptionChanged(scene.topic, scene.group);
    expect(await scene.takeNames(relay)).toEqual(['1']);
  });

  test('follows a change of its configuration', async () => {
    const scene = await Scene.make(world, { maxInFlight: 1 });
    await scene.append(['1', '2', '3'], { tag: 'x' });
    const relay = await scene.on(node);
    expect(await scene.takeNames(relay)).toEqual(['1']);
    await scene.configure({ maxInFlight: 5, filter: 'y' });
    await node.subscriptionChanged(scene.topic, scene.group);
    await scene.append(['4'], { tag: 'y' });
    expect(await scene.takeNames(await scene.on(node))).toEqual(['4']);
  });

  test('a message without a body becomes a dead letter, and the others are given', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1', '2', '3']);
    await world.opened.database.transaction(async (session) => {
      await session.finish({ sql: 'DELETE FROM halfbox_message WHERE id = ?', params: [`${scene.topic}:2`] });
    });
    const relay = await scene.on(node);
    expect(await scene.takeNames(relay)).toEqual(['1', '3']);
    expect(await scene.deadLetters()).toEqual([{ name: '2', attempts: 1, error: 'body-missing' }]);
  });

  test('brings more due retries than it holds at a time', async () => {
    const scene = await Scene.make(world);
    await scene.append(Array.from({ length: 1_200 }, (_, index) => String(index)));
    const relay = await scene.on(node);
    const taken = await scene.takeAll(relay, 30_000, 256);
    expect(taken).toHaveLength(1_000);
    await scene.settle(relay, taken, { kind: 'nack', error: 'all fail' });
    await scene.later(relay, 1_000);
    const again = await scene.takeAll(relay, 30_000, 256);
    expect(again).toHaveLength(1_000);
    expect(again.filter(({ attempt }) => attempt === 2).length).toBeGreaterThanOrEqual(800);
    await scene.settle(relay, again);
    const rest = await scene.takeAll(relay, 30_000, 256);
    await scene.settle(relay, rest);
    expect(again.length + rest.length).toBe(1_200);
    expect(await scene.retries()).toEqual([]);
    expect(await scene.seize()).toMatchObject([{ settledOffset: 1_200 }]);
  });
});
