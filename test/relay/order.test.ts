import { EventEmitter, once } from 'node:events';
import type { Relay } from '../../src/relay/relay.js';
import type { SubscriptionRelay } from '../../src/relay/subscription-relay.js';
import type { LaneStore, Settlement } from '../../src/store/lane-store.js';
import { openTestStore, storeServers } from '../store/databases.js';
import { ManualClock, Scene, startNode, type World } from './relay-fixture.js';

describe.each(storeServers)('order per key on $name', (server) => {
  let world: World;
  let node: Relay;

  beforeAll(async () => {
    world = { clock: new ManualClock(), opened: await openTestStore(server) };
    node = await startNode(world, 'node-1', { settings: { heldBackMax: 3, windowMax: 20 } });
  });

  afterAll(async () => {
    await node.stop();
    await world.opened.close();
  });

  /** Acks everything until nothing comes, moving the clock over retries; answers the order. */
  async function drain(scene: Scene, relay: SubscriptionRelay): Promise<string[]> {
    const order: string[] = [];
    for (let empty = 0; empty < 3;) {
      const taken = await scene.takeAll(relay, 30_000, 3);
      order.push(...taken.map((delivery) => scene.name(delivery)));
      await scene.settle(relay, taken);
      empty = taken.length === 0 ? empty + 1 : 0;
      if (taken.length === 0) await scene.later(relay, 1_000);
    }
    return order;
  }

  const ofKey = (order: string[], key: string): string[] => order.filter((name) => name.startsWith(key));

  test('one message of a key at a time, in offset order, while other keys go on', async () => {
    const scene = await Scene.make(world);
    await scene.append(['a1', 'b1', 'a2', '1', 'b2', 'a3']);
    const relay = await scene.on(node);
    const first = await scene.takeAll(relay);
    expect(first.map((delivery) => scene.name(delivery))).toEqual(['a1', 'b1', '1']);
    await scene.settle(relay, first.slice(0, 1));
    const second = await scene.takeAll(relay);
    expect(second.map((delivery) => scene.name(delivery))).toEqual(['a2']);
    await scene.settle(relay, [...first.slice(1), ...second]);
    expect(await drain(scene, relay)).toEqual(expect.arrayContaining(['a3', 'b2']));
    expect(await scene.seize()).toMatchObject([{ settledOffset: 6 }]);
  });

  test('a consumer that waits hears of the next of a key when the one before is settled', async () => {
    const scene = await Scene.make(world);
    await scene.append(['a1', 'a2']);
    const relay = await scene.on(node);
    const [a1] = await scene.takeAll(relay);
    await new Promise(setImmediate);
    const heard: string[] = [];
    relay.onReady(() => heard.push('ready'));
    await scene.settle(relay, [a1!]);
    await new Promise(setImmediate);
    expect(heard).toEqual(['ready']);
    expect(await scene.takeNames(relay)).toEqual(['a2']);
  });

  test('a retry blocks its own key only', async () => {
    const scene = await Scene.make(world);
    await scene.append(['a1', 'a2', 'b1', 'b2']);
    const relay = await scene.on(node);
    const [a1, b1] = await scene.takeAll(relay);
    await scene.settle(relay, [a1!], { kind: 'nack', error: 'later' });
    await scene.settle(relay, [b1!]);
    const [b2, ...others] = await scene.takeAll(relay);
    expect([scene.name(b2!), others]).toEqual(['b2', []]);
    await scene.settle(relay, [b2!]);
    expect(await drain(scene, relay)).toEqual(['a1', 'a2']);
  });

  test('beyond the bound, messages behind a blocked key wait in the store, and the others go on', async () => {
    const scene = await Scene.make(world);
    const blocked = Array.from({ length: 60 }, (_, index) => `a${index}`);
    const others = Array.from({ length: 30 }, (_, index) => String(index));
    await scene.append([...blocked, ...others]);
    const relay = await scene.on(node);
    const [a0] = await relay.take(1, 30_000);
    await scene.settle(relay, [a0!], { kind: 'nack', error: 'later', delayMs: 500 });
    const free = await scene.takeAll(relay);
    expect(free.map((delivery) => scene.name(delivery))).toEqual(others);
    await scene.settle(relay, free);
    expect(await scene.waitingInStore()).toBe(56);
    const order = await drain(scene, relay);
    expect(order).toEqual(blocked);
    expect(await scene.retries()).toEqual([]);
    expect(await scene.seize()).toMatchObject([{ settledOffset: 90, settledAbove: [] }]);
  });

  test('one key that makes progress is not copied to the store', async () => {
    const scene = await Scene.make(world);
    const names = Array.from({ length: 40 }, (_, index) => `a${index}`);
    await scene.append(names);
    const relay = await scene.on(node);
    const order: string[] = [];
    let spilled = 0;
    while (order.length < 40) {
      const taken = await relay.take(5, 30_000);
      order.push(...taken.map((delivery) => scene.name(delivery)));
      await scene.settle(relay, taken);
      if (taken.length === 0) await scene.later(relay, 0);
      spilled += await scene.waitingInStore();
    }
    expect(order).toEqual(names);
    expect(spilled).toBe(0);
  });

  test('what is read while the ack of its key is being stored is not copied to the store', async () => {
    // A store without the other node, which might own the subscription.
    const alone = { clock: new ManualClock(), opened: await openTestStore(server) };
    const { store } = alone.opened;
    let mayAnswer: Promise<unknown> | undefined;
    // Not a copy: the verbs are the class's.
    const lanes = Object.create(store.lanes, {
      settle: {
        value: async (settlements: Settlement[], now: number) => {
          const stored = await store.lanes.settle(settlements, now);
          await mayAnswer;
          return stored;
        },
      },
    }) as LaneStore;
    const { subscriptions, nodes } = store;
    const settings = { heldBackMax: 3, windowMax: 20 };
    const slow = await startNode(alone, 'node-2', { store: { lanes, subscriptions, nodes }, settings });
    try {
      const scene = await Scene.make(alone);
      await scene.append(['a1']);
      const relay = await scene.on(slow);
      const taken = await scene.takeAll(relay);
      const moments = new EventEmitter();
      mayAnswer = once(moments, 'read');
      const settled = scene.settle(relay, taken);
      await scene.append(['a2', 'a3', 'a4', 'a5', 'a6', 'a7']);
      relay.grown(0, 7);
      await relay.take(5, 30_000);
      moments.emit('read');
      await settled;
      expect(await drain(scene, relay)).toEqual(['a2', 'a3', 'a4', 'a5', 'a6', 'a7']);
      expect(await scene.waitingInStore()).toBe(0);
    } finally {
      await slow.stop();
      await alone.opened.close();
    }
  });

  test('continue: a dead letter lets the next of its key by', async () => {
    const scene = await Scene.make(world);
    await scene.append(['a1', 'a2']);
    const relay = await scene.on(node);
    await scene.settle(relay, await scene.takeAll(relay), { kind: 'reject', error: 'bad' });
    expect(await scene.takeNames(relay)).toEqual(['a2']);
  });

  test('block: a dead letter holds its key until it is redriven and acked', async () => {
    const scene = await Scene.make(world, { onDeadLetter: 'block' });
    await scene.append(['a1', 'a2', 'b1']);
    const relay = await scene.on(node);
    const [a1, b1] = await scene.takeAll(relay);
    await scene.settle(relay, [a1!], { kind: 'reject', error: 'bad' });
    await scene.settle(relay, [b1!]);
    expect(await drain(scene, relay)).toEqual([]);
    const { topic, group } = scene;
    await world.opened.store.deadLetters.redrive({ topic, group }, world.clock.now(), 10);
    await node.subscriptionChanged(topic, group);
    const [again] = await scene.takeAll(relay);
    expect([scene.name(again!), again!.attempt]).toEqual(['a1', 1]);
    await scene.settle(relay, [again!]);
    expect(await drain(scene, relay)).toEqual(['a2']);
  });

  test('block: discarding the dead letter frees the key; so does turning to continue', async () => {
    for (const free of ['discard', 'continue']) {
      const scene = await Scene.make(world, { onDeadLetter: 'block' });
      await scene.append(['a1', 'a2']);
      const relay = await scene.on(node);
      await scene.settle(relay, await scene.takeAll(relay), { kind: 'reject', error: 'bad' });
      expect(await scene.takeNames(relay)).toEqual([]);
      const { topic, group } = scene;
      if (free === 'discard') await world.opened.store.deadLetters.discard({ topic, group }, 10);
      else await scene.configure({ onDeadLetter: 'continue' });
      await node.subscriptionChanged(topic, group);
      expect(await scene.takeNames(relay)).toEqual(['a2']);
    }
  });

  test('continue: a redriven dead letter waits for the one of its key that is under way', async () => {
    const scene = await Scene.make(world);
    await scene.append(['a1', 'a2', 'a3']);
    const relay = await scene.on(node);
    await scene.settle(relay, await scene.takeAll(relay), { kind: 'reject', error: 'bad' });
    const a2 = await scene.takeAll(relay);
    const { topic, group } = scene;
    await world.opened.store.deadLetters.redrive({ topic, group }, world.clock.now(), 10);
    await node.subscriptionChanged(topic, group);
    expect(await scene.takeNames(relay)).toEqual([]);
    await scene.settle(relay, a2);
    expect(await drain(scene, relay)).toEqual(['a1', 'a3']);
    expect(await scene.retries()).toEqual([]);
  });

  test('a redriven message that is in the log again after a seek comes once', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1', '2']);
    const relay = await scene.on(node);
    const [one, two] = await scene.takeAll(relay);
    await scene.settle(relay, [one!], { kind: 'reject', error: 'bad' });
    await scene.settle(relay, [two!]);
    const { topic, group } = scene;
    await world.opened.store.subscriptions.seek(topic, group, 'earliest');
    await node.subscriptionChanged(topic, group);
    const moved = await scene.on(node);
    const again = await scene.takeAll(moved);
    expect(again.map((delivery) => scene.name(delivery))).toEqual(['1', '2']);
    await world.opened.store.deadLetters.redrive({ topic, group }, world.clock.now(), 10);
    await node.subscriptionChanged(topic, group);
    expect(await scene.takeNames(moved)).toEqual([]);
    await scene.settle(moved, again);
    expect(await drain(scene, moved)).toEqual([]);
  });

  test('holds for many keys that fail, spill and are taken over at random', async () => {
    const scene = await Scene.make(world, { maxAttempts: 100, retry: { fixedMs: 100 } });
    let seed = 42;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
    const names = Array.from({ length: 150 }, () => {
      const key = 'abc'[random(3)]!;
      return `${key}${counts[key]!++}`;
    });
    await scene.append(names);
    const acked: string[] = [];
    let relay = await scene.on(node);
    for (let round = 0; acked.length < 150 && round < 2_000; round += 1) {
      for (const delivery of await relay.take(1 + random(4), 1_000)) {
        const outcome = random(10);
        if (outcome < 6) {
          await scene.settle(relay, [delivery]);
          acked.push(scene.name(delivery));
        } else if (outcome < 9) await scene.settle(relay, [delivery], { kind: 'nack', error: 'again' });
      }
      await scene.later(relay, 50);
      if (random(10) === 0) {
        await scene.seize();
        await node.subscriptionChanged(scene.topic, scene.group);
        relay = await scene.on(node);
      }
    }
    for (const key of ['a', 'b', 'c']) {
      expect(ofKey(acked, key)).toEqual(Array.from({ length: counts[key]! }, (_, index) => `${key}${index}`));
    }
    expect(await scene.retries()).toEqual([]);
  });
});
