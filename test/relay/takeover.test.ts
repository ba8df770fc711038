import { Pull } from '../../src/deliver/pull.js';
import type { SubscriptionConsumer } from '../../src/relay/owned-subscription.js';
import type { Relay } from '../../src/relay/relay.js';
import { openTestStore, storeServers } from '../store/databases.js';
import { ManualClock, Scene, startNode, type World } from './relay-fixture.js';

describe.each(storeServers)('several nodes on one store on $name', (server) => {
  let world: World;
  let nodes: Relay[] = [];
  let made = 0;

  beforeAll(async () => {
    world = { clock: new ManualClock(), opened: await openTestStore(server) };
  });

  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    nodes = [];
  });

  afterAll(() => world.opened.close());

  async function join(options: Parameters<typeof startNode>[2] = {}): Promise<Relay> {
    const node = await startNode(world, `node-${(made += 1)}`, options);
    nodes.push(node);
    return node;
  }

  async function until(condition: () => unknown): Promise<void> {
    const deadline = Date.now() + 10_000;
    while (!(await condition())) {
      if (Date.now() > deadline) throw new Error('it did not come to that within 10 s');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** The node's process is gone: nothing of it runs any more, and its row is left behind. */
  function crash(node: Relay): void {
    nodes = nodes.filter((each) => each !== node);
    world.clock.advance(6_000);
  }

  test('share the subscriptions, and move only what a new node is to have', async () => {
    const scenes = await Promise.all(Array.from({ length: 12 }, () => Scene.make(world)));
    const first = await join();
    expect(scenes.filter(({ topic, group }) => first.owned(topic, group))).toHaveLength(12);
    const second = await join();
    await first.runOnce(world.clock.now());
    await until(() => scenes.some(({ topic, group }) => first.owned(topic, group) === null));
    await until(async () => {
      await second.runOnce(world.clock.now());
      return scenes.every(({ topic, group }) => first.owned(topic, group) ?? second.owned(topic, group));
    });
    const owners = scenes.map(({ topic, group }) => [first, second].filter((node) => node.owned(topic, group)));
    expect(owners.every((each) => each.length === 1)).toBe(true);
    expect(new Set(owners.flat()).size).toBe(2);
    const moved = scenes.find(({ topic, group }) => second.owned(topic, group))!;
    expect(await first.locate(moved.topic, moved.group)).toMatchObject({ node: { id: `node-${made}` } });
    expect(await second.locate(moved.topic, moved.group)).toMatchObject({ relay: { topic: moved.topic } });
  });

  test('after a crash: a retry with a consumer keeps its key from a redriven message before it', async () => {
    const scene = await Scene.make(world);
    await scene.append(['a1', 'a2']);
    const first = await join();
    const before = await scene.on(first);
    await scene.settle(before, await before.take(1, 30_000), { kind: 'reject', error: 'bad' });
    await scene.settle(before, await before.take(1, 30_000), { kind: 'nack', error: 'later', delayMs: 0 });
    await scene.later(before, 100);
    const inHand = await scene.takeAll(before);
    expect(inHand).toMatchObject([{ offset: 1, attempt: 2 }]);
    await world.opened.store.deadLetters.redrive(scene, world.clock.now(), 10);
    await first.subscriptionChanged(scene.topic, scene.group);
    await until(async () => (await scene.waitingInStore()) === 1);
    crash(first);
    const after = await scene.on(await join());
    expect(await scene.takeNames(after)).toEqual([]);
    await scene.settle(after, inHand);
    expect(await scene.takeNames(after)).toEqual(['a1']);
  });

  test('after a crash: what was given counts as an attempt, what was not does not', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1', '2', '3', '4']);
    const first = await join();
    const before = await scene.on(first);
    const [one, two] = await before.take(2, 10_000);
    await scene.settle(before, [one!]);
    crash(first);
    const second = await join();
    const after = await scene.on(second);
    const fresh = await scene.takeAll(after);
    expect(fresh.map((delivery) => [scene.name(delivery), delivery.attempt])).toEqual([
      ['3', 1],
      ['4', 1],
    ]);
    expect(await after.inFlight()).toMatchObject([{ offset: 1, attempt: 1, claimedUntil: two!.claimedUntil }]);
    await scene.later(after, 5_000);
    const [again] = await scene.takeAll(after);
    expect([scene.name(again!), again!.attempt]).toEqual(['2', 2]);
  });

  test('after a crash: a receipt stays good until that try is given out again', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1', '2']);
    const first = await join();
    const [one, two] = await scene.takeAll(await scene.on(first));
    crash(first);
    const after = await scene.on(await join());
    expect(await scene.settle(after, [one!])).toEqual(['settled']);
    await scene.later(after, 30_000);
    await scene.takeAll(after);
    expect(await scene.settle(after, [two!])).toEqual(['stale']);
  });

  test('after a crash: a push that was under way has failed and is tried again at once', async () => {
    const scene = await Scene.make(world, { mode: 'push', maxAttempts: 2 });
    await scene.append(['1']);
    const first = await join();
    await (await scene.on(first)).take(1, 60_000);
    crash(first);
    const second = await join();
    const after = await scene.on(second);
    await scene.later(after, 0);
    expect(await after.take(1, 60_000)).toMatchObject([{ attempt: 2 }]);
    crash(second);
    await scene.later(await scene.on(await join()), 0);
    expect(await scene.deadLetters()).toEqual([{ name: '1', attempts: 2, error: 'visibility-expired' }]);
  });

  test('attempts survive any number of restarts, and retries keep their time', async () => {
    const scene = await Scene.make(world, { maxAttempts: 5, retry: { fixedMs: 60_000 } });
    await scene.append(['1']);
    let node = await join();
    const relay = await scene.on(node);
    await scene.settle(relay, await relay.take(1, 1_000), { kind: 'nack', error: 'no' });
    for (let attempt = 2; attempt <= 5; attempt += 1) {
      crash(node);
      node = await join();
      let after = await scene.on(node);
      expect(await after.take(1, 1_000)).toEqual([]);
      world.clock.advance(60_000);
      after = await scene.on(node);
      await scene.later(after, 0);
      const [again] = await after.take(1, 1_000);
      expect(again).toMatchObject({ attempt });
      await scene.settle(after, [again!], { kind: 'nack', error: 'no' });
    }
    expect(await scene.deadLetters()).toMatchObject([{ attempts: 5 }]);
  });

  test('after a crash: order is kept, in memory, in the log and in the store', async () => {
    const scene = await Scene.make(world);
    const names = Array.from({ length: 12 }, (_, index) => `a${index}`);
    await scene.append([...names, '1']);
    const first = await join({ settings: { heldBackMax: 4, windowMax: 6, spillAfterMs: 0 } });
    const before = await scene.on(first);
    await scene.settle(before, (await scene.takeAll(before)).slice(0, 1));
    crash(first);
    const after = await scene.on(await join());
    const order: string[] = [];
    for (let round = 0; round < 40 && order.length < 11; round += 1) {
      const taken = (await scene.takeAll(after, 1_000)).filter((delivery) => scene.name(delivery) !== '1');
      order.push(...taken.map((delivery) => scene.name(delivery)));
      await scene.settle(after, taken);
      await scene.later(after, 1_000);
    }
    expect(order).toEqual(names.slice(1));
  });

  test('after a crash: a dead letter still blocks its key', async () => {
    const scene = await Scene.make(world, { onDeadLetter: 'block' });
    await scene.append(['a1', 'a2']);
    const first = await join();
    const before = await scene.on(first);
    await scene.settle(before, await scene.takeAll(before), { kind: 'reject', error: 'bad' });
    crash(first);
    const second = await join();
    const after = await scene.on(second);
    expect(await scene.takeNames(after)).toEqual([]);
    const { topic, group } = scene;
    await world.opened.store.deadLetters.discard({ topic, group }, 10);
    await second.runOnce(world.clock.now());
    expect(await scene.takeNames(after)).toEqual(['a2']);
  });

  test('a planned hand-over: the consumer ends first, nothing comes twice, receipts stay good', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1', '2', '3']);
    const steps: string[] = [];

    const step = (name: string) => async (): Promise<void> => void steps.push(name);
    const consumer: SubscriptionConsumer = { start: step('start'), stop: step('stop') };
    const first = await join({ consumers: ({ topic }) => (topic === scene.topic ? consumer : null) });
    first.events.on('released', ({ topic, planned }) => topic === scene.topic && steps.push(`released ${planned}`));
    const before = await scene.on(first);
    const [one, two] = await before.take(2, 30_000);
    await scene.settle(before, [one!]);
    await first.stop();
    expect(steps).toEqual(['start', 'stop', 'released true']);
    expect(first.owned(scene.topic, scene.group)).toBeNull();
    await expect(scene.settle(before, [two!])).rejects.toMatchObject({ slug: 'unavailable' });
    const after = await scene.on(await join());
    expect(await scene.takeNames(after)).toEqual(['3']);
    expect(await scene.settle(after, [two!])).toEqual(['settled']);
  });

  test('a planned hand-over: a call that waits for deliveries is answered, without an error', async () => {
    const scene = await Scene.make(world);
    const node = await join();
    await scene.on(node);
    const pull = new Pull((topic, group) => node.owned(topic, group), world.clock);
    const waiting = pull.receive(scene.topic, scene.group, { max: 1, visibilityMs: 30_000, waitMs: 20_000 });
    await new Promise(setImmediate);
    const [received] = await Promise.all([waiting, node.stop()]);
    expect(received).toEqual([]);
  });

  test('an owner that was fenced stops at once, and its outcomes change nothing', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1']);
    const stopped: string[] = [];

    const consumer = { start: async () => {}, stop: async () => void stopped.push('stopped') };
    const first = await join({ consumers: ({ topic }) => (topic === scene.topic ? consumer : null) });
    const before = await scene.on(first);
    const taken = await scene.takeAll(before);
    const [cursor] = await scene.seize();
    await expect(scene.settle(before, taken)).rejects.toMatchObject({ slug: 'unavailable' });
    expect(first.owned(scene.topic, scene.group)).toBeNull();
    expect(stopped).toEqual(['stopped']);
    await expect(before.take(1, 1_000)).rejects.toMatchObject({ slug: 'unavailable' });
    expect(await scene.seize()).toEqual([cursor]);
  });

  test('a node that cannot renew its lease gives out nothing more', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1', '2']);
    let uptimeMs = 0;
    const node = await join({ monotonicNow: () => uptimeMs });
    const relay = await scene.on(node);
    await relay.take(1, 30_000);
    uptimeMs += 4_100;
    await expect(relay.take(1, 30_000)).rejects.toMatchObject({ slug: 'unavailable' });
    await node.runOnce(world.clock.now());
    expect(await scene.takeNames(relay)).toEqual(['2']);
  });

  test('a seek makes older receipts stale, through whichever node it comes', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1', '2']);
    const node = await join();
    const before = await scene.on(node);
    const taken = await scene.takeAll(before);
    await world.opened.store.subscriptions.seek(scene.topic, scene.group, 'earliest');
    await node.runOnce(world.clock.now());
    const after = await scene.on(node);
    expect(after).not.toBe(before);
    const again = await scene.takeAll(after);
    expect(again.map(({ attempt, generation }) => [attempt, generation])).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(await scene.settle(after, taken)).toEqual(['stale', 'stale']);
    expect(await scene.settle(after, again)).toEqual(['settled', 'settled']);
  });

  test('a deleted subscription is let go of', async () => {
    const scene = await Scene.make(world);
    const node = await join();
    const { topic, group } = scene;
    expect(node.owned(topic, group)).not.toBeNull();
    await world.opened.store.subscriptions.remove(topic, group, true);
    await node.subscriptionChanged(topic, group);
    expect(node.owned(topic, group)).toBeNull();
    await expect(node.locate(topic, group)).rejects.toMatchObject({ slug: 'subscription-not-found' });
  });

  test('an ephemeral subscription lives while it is pulled from, and goes when it is not', async () => {
    const scene = await Scene.make(world, { expiresAfterIdleMs: 10_000 });
    const node = await join();
    const { topic, group } = scene;
    for (let second = 0; second < 30; second += 1) {
      node.owned(topic, group)!.markUsed(world.clock.now());
      await node.runOnce(world.clock.advance(1_000));
    }
    const removed: string[] = [];
    node.events.on('removed', (event) => removed.push(event.topic));
    for (let second = 0; second < 14; second += 1) await node.runOnce(world.clock.advance(1_000));
    expect(removed).toEqual([topic]);
    expect(node.owned(topic, group)).toBeNull();
  });

  test('an ephemeral subscription that changes its node lives as long after its last use', async () => {
    const scene = await Scene.make(world, { expiresAfterIdleMs: 10_000 });
    const { topic, group } = scene;
    const use = async (node: Relay, ms: number): Promise<void> => {
      world.clock.advance(ms);
      node.owned(topic, group)!.markUsed(world.clock.now());
      await node.runOnce(world.clock.now());
    };
    const first = await join();
    await use(first, 0);
    await use(first, 2_400);
    await first.stop();
    const second = await join();
    await second.runOnce(world.clock.advance(9_900));
    expect(second.owned(topic, group)).not.toBeNull();
    await second.runOnce(world.clock.advance(200));
    expect(second.owned(topic, group)).toBeNull();
  });
});
