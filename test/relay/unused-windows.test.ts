import type { SubscriptionConfig } from '../../src/message/subscription.js';
import type { Delivery } from '../../src/relay/owned-subscription.js';
import type { Relay } from '../../src/relay/relay.js';
import type { SubscriptionRelay } from '../../src/relay/subscription-relay.js';
import { until } from '../queue/until.js';
import { openTestStore, sqliteServer } from '../store/databases.js';
import { ManualClock, Scene, startNode, type World } from './relay-fixture.js';

const names = Array.from({ length: 30 }, (_, index) => String(index + 1));

describe('what was read for a consumer that asks no more', () => {
  let world: World;
  let node: Relay;

  beforeEach(async () => {
    world = { clock: new ManualClock(), opened: await openTestStore(sqliteServer) };
  });

  afterEach(async () => {
    await node.stop();
    await world.opened.close();
  });

  const join = async (readAheadMax = 20): Promise<void> => {
    node = await startNode(world, 'node-1', { settings: { windowMax: 20, windowMin: 4, readAheadMax } });
  };

  /** A subscription whose consumer has two of 30 messages in hand, and for which so many more were read. */
  const reading = async (
    config: Partial<SubscriptionConfig> = {},
    readAhead = 22,
  ): Promise<{ scene: Scene; relay: SubscriptionRelay; taken: Delivery[] }> => {
    const scene = await Scene.make(world, config);
    for (const name of names) await scene.append([name]);
    const relay = await scene.on(node);
    await until('the end of reading', () => !relay.work.reading);
    relay.markUsed(world.clock.now());
    const taken = await relay.take(2, 600_000);
    expect(taken.map((delivery) => scene.name(delivery))).toEqual(['1', '2']);
    await until('the end of reading', () => !relay.work.reading);
    expect(relay.readAheadCount).toBe(readAhead);
    return { scene, relay, taken };
  };

  const after = async (ms: number): Promise<void> => {
    world.clock.advance(ms);
    await node.runOnce(world.clock.now());
  };

  const pause = async ({ topic, group }: Scene, paused: boolean): Promise<void> => {
    await world.opened.store.subscriptions.setPaused(topic, group, paused);
    await node.subscriptionChanged(topic, group);
  };

  const isKept = (relay: SubscriptionRelay): void => expect([relay.ended, relay.readAheadCount]).toEqual([false, 22]);

  /** The subscription as it is claimed anew. */
  const forgotten = async (scene: Scene, relay: SubscriptionRelay): Promise<SubscriptionRelay> => {
    expect(relay.ended).toBe(true);
    const again = await scene.on(node);
    await until('the end of reading', () => !again.work.reading);
    expect(again.epoch).toBe(relay.epoch + 1);
    expect(again.readAheadCount).toBeLessThan(8);
    return again;
  };

  test('is kept for a minute', async () => {
    await join();
    const { relay } = await reading();
    await after(60_000);
    isKept(relay);
  });

  test('is forgotten then, and comes when it asks again; what it has in hand stays its own', async () => {
    await join();
    const { scene, relay, taken } = await reading();
    await after(60_001);
    const again = await forgotten(scene, relay);
    expect(await scene.takeNames(again)).toEqual(names.slice(2));
    expect(await again.settle(taken.map((delivery) => ({ ...delivery, result: { kind: 'ack' } })))).toEqual([
      'settled',
      'settled',
    ]);
  });

  test('is forgotten of a paused queue, when nothing of it is under way', async () => {
    await join();
    const { scene, relay, taken } = await reading({ mode: 'queue' });
    await pause(scene, true);
    await after(60_001);
    isKept(relay);
    await scene.settle(relay, taken, { kind: 'ack' });
    await after(0);
    const again = await forgotten(scene, relay);
    await pause(scene, false);
    expect(await scene.takeNames(again)).toEqual(names.slice(2));
  });

  test.each<[string, Partial<SubscriptionConfig>]>([
    ['a queue that waits for its workers', { mode: 'queue' }],
    ['an ephemeral subscription', { expiresAfterIdleMs: 3_600_000 }],
  ])('is kept of %s', async (_what, config) => {
    await join();
    const { relay } = await reading(config);
    await after(60_001);
    isKept(relay);
  });

  test('is kept where the node has room', async () => {
    await join(1_000);
    const { relay } = await reading();
    await after(60_001);
    isKept(relay);
  });

  test('is kept where forgetting others has made room', async () => {
    await join(40);
    const [first, second] = [await reading(), await reading({}, 18)];
    await after(60_001);
    expect([first, second].map(({ relay }) => relay.ended).sort()).toEqual([false, true]);
  });

  test('is forgotten by nobody once the node has stopped', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    await join();
    const before = timers();
    await node.start();
    await node.stop();
    expect(timers()).toBe(before);
  });
});
