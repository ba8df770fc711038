import type { SubscriptionConfig } from '../../src/message/subscription.js';
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

  /** A subscription whose consumer has two of 30 messages in hand, and for which 22 more were read. */
  const reading = async (
    config: Partial<SubscriptionConfig> = {},
    readAheadMax = 20,
  ): Promise<[Scene, SubscriptionRelay]> => {
    node = await startNode(world, 'node-1', { settings: { windowMax: 20, windowMin: 4, readAheadMax } });
    const scene = await Scene.make(world, config);
    for (const name of names) await scene.append([name]);
    const relay = await scene.on(node);
    await until('the end of reading', () => !relay.work.reading);
    relay.markUsed(world.clock.now());
    expect((await relay.take(2, 600_000)).map((delivery) => scene.name(delivery))).toEqual(['1', '2']);
    await until('the end of reading', () => !relay.work.reading);
    expect(relay.work.ready).toBe(22);
    return [scene, relay];
  };

  const after = async (ms: number): Promise<void> => {
    world.clock.advance(ms);
    await node.runOnce(world.clock.now());
  };

  const pause = async ({ topic, group }: Scene, paused: boolean): Promise<void> => {
    await world.opened.store.subscriptions.setPaused(topic, group, paused);
    await node.subscriptionChanged(topic, group);
  };

  /** The subscription as it is claimed anew. */
  const forgotten = async (scene: Scene, relay: SubscriptionRelay): Promise<SubscriptionRelay> => {
    expect(relay.ended).toBe(true);
    const again = await scene.on(node);
    await until('the end of reading', () => !again.work.reading);
    expect([again.epoch, again.inFlightCount]).toEqual([relay.epoch + 1, 2]);
    expect(again.work.ready).toBeLessThan(8);
    return again;
  };

  test('is kept for a minute', async () => {
    const [, relay] = await reading();
    await after(60_000);
    expect([relay.ended, relay.work.ready]).toEqual([false, 22]);
  });

  test('is forgotten then, and comes when it asks again', async () => {
    const [scene, relay] = await reading();
    await after(60_001);
    expect(await scene.takeNames(await forgotten(scene, relay))).toEqual(names.slice(2));
  });

  test('is forgotten, too, of a queue that is paused', async () => {
    const [scene, relay] = await reading({ mode: 'queue' });
    await pause(scene, true);
    await after(60_001);
    const again = await forgotten(scene, relay);
    await pause(scene, false);
    expect(await scene.takeNames(again)).toEqual(names.slice(2));
  });

  test('is kept of a queue that waits for its workers', async () => {
    const [, relay] = await reading({ mode: 'queue' });
    await after(60_001);
    expect([relay.ended, relay.work.ready]).toEqual([false, 22]);
  });

  test('is kept where the node has room', async () => {
    const [, relay] = await reading({}, 1_000);
    await after(60_001);
    expect([relay.ended, relay.work.ready]).toEqual([false, 22]);
  });
});
