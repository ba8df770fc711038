import { Problem } from '../../src/message/problem.js';
import type { Relay } from '../../src/relay/relay.js';
import type { LaneStore } from '../../src/store/lane-store.js';
import { openTestStore, sqliteServer } from '../store/databases.js';
import { ManualClock, Scene, startNode, type World } from './relay-fixture.js';
import { storeBetween } from './store-between.js';

const away = (): Error => new Problem('unavailable', 'the store is away');

describe('while the store is away', () => {
  let world: World;
  let node: Relay;
  let monotonicMs = 0;
  /** Calls that fail, or null where they do not this time. */
  const fail = new Map<keyof LaneStore, () => Error | null>();

  beforeAll(async () => {
    world = { clock: new ManualClock(), opened: await openTestStore(sqliteServer) };
    const store = storeBetween(world, async (verb, _args, proceed) => {
      const error = fail.get(verb)?.() ?? null;
      if (error !== null) throw error;
      return proceed();
    });
    node = await startNode(world, 'node-1', { store, monotonicNow: () => monotonicMs });
  });

  afterEach(() => fail.clear());

  afterAll(async () => {
    await node.stop();
    await world.opened.close();
  });

  test('nothing is given, and later each message comes once, in order, as a first attempt', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1', '2', 'a1', 'a2']);
    const relay = await scene.on(node);
    for (const method of ['readMessages', 'settle'] as const) {
      fail.set(method, away);
      await expect(relay.take(10, 1_000)).rejects.toMatchObject({ slug: 'unavailable' });
      fail.clear();
    }
    expect(relay.inFlightCount).toBe(0);
    const taken = await scene.takeAll(relay);
    expect(taken.map((delivery) => [scene.name(delivery), delivery.attempt])).toEqual([
      ['1', 1],
      ['2', 1],
      ['a1', 1],
    ]);
  });

  test('nothing is handed out by a node that was held up beyond its lease, and no attempt is counted', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1', 'a1']);
    const relay = await scene.on(node);
    fail.set('readMessages', () => {
      monotonicMs += 60_000;
      return null;
    });
    let writes = 0;
    let renewing: Promise<void> | undefined;
    fail.set('settle', () => {
      writes += 1;
      // The lease is renewed while it gives back what it took.
      if (writes === 2) renewing = node.runOnce(world.clock.now());
      return null;
    });
    await expect(relay.take(10, 30_000)).rejects.toMatchObject({ slug: 'unavailable' });
    fail.clear();
    await renewing;
    await scene.later(relay, 0);
    const taken = await scene.takeAll(relay);
    expect(taken.map((delivery) => [scene.name(delivery), delivery.attempt])).toEqual([
      ['1', 1],
      ['a1', 1],
    ]);
  });

  test('an outcome is not taken, and can be given again', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1', 'a1', 'a2', '2']);
    const relay = await scene.on(node);
    const taken = await scene.takeAll(relay);
    fail.set('settle', away);
    await expect(scene.settle(relay, taken)).rejects.toMatchObject({ slug: 'unavailable' });
    await expect(relay.extend(taken, 90_000)).rejects.toMatchObject({ slug: 'unavailable' });
    fail.clear();
    expect(await scene.takeNames(relay)).toEqual([]);
    expect(await scene.settle(relay, taken.slice(1), { kind: 'ack' })).toEqual(['settled', 'settled']);
    expect(await scene.takeNames(relay)).toEqual(['a2']);
    await scene.later(relay, 30_000);
    expect((await scene.takeAll(relay)).map(({ attempt }) => attempt)).toEqual([2, 2]);
  });

  test('claims that expire meanwhile are ended when it is back', async () => {
    const scene = await Scene.make(world, { maxAttempts: 1 });
    await scene.append(['1']);
    const relay = await scene.on(node);
    await relay.take(1, 1_000);
    fail.set('settle', away);
    await scene.later(relay, 1_000);
    fail.clear();
    expect(await scene.deadLetters()).toEqual([]);
    await scene.later(relay, 1_000);
    expect(await scene.deadLetters()).toMatchObject([{ error: 'visibility-expired', attempts: 1 }]);
  });

  test('reading goes on when it is back', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1']);
    fail.set('readLog', away);
    const relay = await scene.on(node);
    expect(await scene.takeNames(relay)).toEqual([]);
    fail.clear();
    expect(await scene.takeNames(relay)).toEqual([]);
    await scene.later(relay, 1_000);
    expect(await scene.takeNames(relay)).toEqual(['1']);
  });

  test('a takeover that failed half-way is done again', async () => {
    const scene = await Scene.make(world);
    await scene.leaveRetry();
    fail.set('blockedKeys', away);
    await node.runOnce(world.clock.now());
    expect(node.owned(scene.topic, scene.group)).toBeNull();
    fail.clear();
    await node.runOnce(world.clock.now());
    expect(node.owned(scene.topic, scene.group)).not.toBeNull();
  });

  test("one subscription's failure does not hurt the others that share its write", async () => {
    const scenes = await Promise.all([Scene.make(world), Scene.make(world)]);
    await Promise.all(scenes.map((scene) => scene.append(['1'])));
    const relays = await Promise.all(scenes.map((scene) => scene.on(node)));
    const broken = jest.spyOn(world.opened.store.lanes, 'settle');
    const settle = broken.getMockImplementation() ?? Object.getPrototypeOf(world.opened.store.lanes).settle;
    broken.mockImplementation(function (this: LaneStore, settlements, now) {
      if (settlements.some(({ topic }) => topic === scenes[0]!.topic)) return Promise.reject(new Error('bad row'));
      return settle.call(this, settlements, now) as ReturnType<LaneStore['settle']>;
    });
    const results = await Promise.allSettled(relays.map((relay) => relay.take(1, 1_000)));
    broken.mockRestore();
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  });
});
