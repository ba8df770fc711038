import type { Relay } from '../../src/relay/relay.js';
import type { SubscriptionStore } from '../../src/store/subscription-store.js';
import type { Wake, WakeChannel } from '../../src/relay/wake-channel.js';
import { systemClock } from '../../src/message/clock.js';
import { openTestStore, sqliteServer } from '../store/databases.js';
import type { ManualClock } from './relay-fixture.js';
import { Scene, startNode, type World } from './relay-fixture.js';

/** Nodes of one process that wake each other. */
class LocalChannel implements WakeChannel {
  readonly wakes: Wake[] = [];
  readonly #listeners = new Set<(wake: Wake) => void>();

  publish(wake: Wake): void {
    this.wakes.push(wake);
    for (const listener of this.#listeners) listener(wake);
  }

  onWake(listener: (wake: Wake) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

describe('running nodes', () => {
  const running: Relay[] = [];
  let world: World;

  beforeAll(async () => {
    world = { clock: systemClock as ManualClock, opened: await openTestStore(sqliteServer) };
  });

  afterEach(() => Promise.all(running.splice(0).map((node) => node.stop())));
  afterAll(() => world.opened.close());

  async function run(id: string, wakeChannel?: WakeChannel): Promise<Relay> {
    const settings = { headsIntervalMs: 60_000, headsIntervalSharedMs: 60_000, changesIntervalMs: 60_000, renewMs: 50 };
    const options = { settings, monotonicNow: () => performance.now(), ...(wakeChannel && { wakeChannel }) };
    const node = await startNode(world, id, options);
    await node.start();
    running.push(node);
    return node;
  }

  test('what is appended on one is delivered by the other, without waiting for a poll', async () => {
    const channel = new LocalChannel();
    const nodes = [await run('node-1', channel), await run('node-2', channel)];
    const scene = await Scene.make(world);
    await nodes[0]!.subscriptionChanged(scene.topic, scene.group);
    const located = await nodes[0]!.locate(scene.topic, scene.group, 10_000);
    const owner = nodes.find((node) => node.owned(scene.topic, scene.group))!;
    const other = nodes.find((node) => node !== owner)!;
    expect(located.relay !== undefined).toBe(owner === nodes[0]);
    const relay = owner.owned(scene.topic, scene.group)!;
    const ready = new Promise<void>((resolve) => relay.onReady(resolve));
    await scene.append(['1']);
    other.appended([
      { topic: scene.topic, shard: 0, firstOffset: 0, appendedAt: 0, refs: [{ id: `${scene.topic}:1` }] },
    ]);
    await ready;
    const [delivery] = await relay.take(1, 50);
    expect(scene.name(delivery!)).toBe('1');
    await new Promise<void>((resolve) => owner.events.on('settled', ({ expired }) => expired === 1 && resolve()));
    await other.subscriptionChanged(scene.topic, scene.group);
    const again = new Promise<void>((resolve) => relay.onReady(resolve));
    await again;
    expect(await relay.take(1, 60_000)).toMatchObject([{ attempt: 2 }]);
  });

  test('a pause through one reaches the other at once', async () => {
    const channel = new LocalChannel();
    const nodes = [await run('node-1', channel), await run('node-2', channel)];
    const scene = await Scene.make(world);
    await nodes[0]!.locate(scene.topic, scene.group, 10_000);
    const owner = nodes.find((node) => node.owned(scene.topic, scene.group))!;
    const relay = owner.owned(scene.topic, scene.group)!;
    const changed = new Promise<void>((resolve) => relay.onReady(() => relay.paused && resolve()));
    await world.opened.store.subscriptions.setPaused(scene.topic, scene.group, true);
    await nodes.find((node) => node !== owner)!.subscriptionChanged(scene.topic, scene.group);
    await changed;
  });

  test('an answer about the subscription that was overtaken by a younger one does not count', async () => {
    const { lanes, nodes, subscriptions } = world.opened.store;
    const answers: (() => void)[] = [];
    let found = (): void => {};
    const late = new Proxy(subscriptions, {
      get: (target, verb: keyof SubscriptionStore) => {
        if (verb !== 'get') return target[verb].bind(target);
        return async (topic: string, group: string) => {
          const row = await target.get(topic, group);
          await new Promise<void>((resolve) => {
            answers.push(resolve);
            found();
          });
          return row;
        };
      },
    });
    const scene = await Scene.make(world);
    const node = await startNode(world, 'node-4', { store: { lanes, nodes, subscriptions: late } });
    const relay = node.owned(scene.topic, scene.group)!;
    const looks: Promise<void>[] = [];
    for (const paused of [true, false]) {
      await subscriptions.setPaused(scene.topic, scene.group, paused);
      const isFound = new Promise<void>((resolve) => (found = resolve));
      looks.push(node.subscriptionChanged(scene.topic, scene.group));
      await isFound;
    }
    for (const index of [1, 0]) {
      answers[index]!();
      await looks[index];
      expect(relay.paused).toBe(false);
    }
    await node.stop();
  });

  test('one alone tells nobody', async () => {
    const channel = new LocalChannel();
    const node = await run('node-3', channel);
    const scene = await Scene.make(world);
    await node.subscriptionChanged(scene.topic, scene.group);
    await node.locate(scene.topic, scene.group, 10_000);
    await node.stop();
    expect(channel.wakes).toEqual([]);
  });
});
