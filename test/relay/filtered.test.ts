import type { MessageRef } from '../../src/message/ref.js';
import type { Relay } from '../../src/relay/relay.js';
import type { SubscriptionRelay } from '../../src/relay/subscription-relay.js';
import { appendChunk } from '../store/conformance/log-fixture.js';
import { openTestStore, sqliteServer } from '../store/databases.js';
import { ManualClock, Scene, startNode, type World } from './relay-fixture.js';

describe('a subscription with a filter', () => {
  let world: World;
  let node: Relay;

  beforeAll(async () => {
    world = { clock: new ManualClock(), opened: await openTestStore(sqliteServer) };
    node = await startNode(world, 'node-1', { settings: { settledRunsMax: 2 } });
  });

  afterAll(async () => {
    await node.stop();
    await world.opened.close();
  });

  const backlogOf = async ({ topic, group }: Scene): Promise<number> =>
    (await world.opened.store.subscriptions.counts(topic, group)).backlog;

  async function ackOneByOne(scene: Scene, relay: SubscriptionRelay): Promise<string[]> {
    const order: string[] = [];
    for (let empty = 0; empty < 3;) {
      const [delivery] = await relay.take(1, 30_000);
      if (delivery === undefined) {
        empty += 1;
        await scene.later(relay, 2_000);
        continue;
      }
      order.push(scene.name(delivery));
      await scene.settle(relay, [delivery]);
    }
    return order;
  }

  test('stores how far it has read although nothing was to be delivered', async () => {
    const scene = await Scene.make(world, { filter: 'wanted' });
    await scene.append(['1', '2', '3'], { tag: 'other' });
    const relay = await scene.on(node);
    expect(await relay.take(1, 30_000)).toEqual([]);
    for (let round = 0; round < 3; round += 1) await node.runOnce(world.clock.advance(300));
    expect(await backlogOf(scene)).toBe(0);
  });

  test('loses nothing of a chunk that comes while its cursor is scattered', async () => {
    const scene = await Scene.make(world, { filter: 'wanted' });
    const relay = await scene.on(node);
    const refs = ['a1', 'x1', 'a2', 'x2', 'a3', 'x3', 'a4'].map((name): MessageRef => {
      const wanted = name.startsWith('a');
      return { id: `${scene.topic}:${name}`, keyHash: name[0]!, tag: wanted ? 'wanted' : 'other' };
    });
    await appendChunk(world.opened.database, scene.topic, 0, refs, world.clock.now());
    node.appended([{ topic: scene.topic, shard: 0, firstOffset: 0, appendedAt: 0, refs }]);
    expect(await ackOneByOne(scene, relay)).toEqual(['a1', 'a2', 'a3', 'a4']);
    expect(await backlogOf(scene)).toBe(0);
  });

  test('a changed filter also counts for what waits behind a busy key', async () => {
    const scene = await Scene.make(world, { filter: 'wanted' });
    await scene.append(['a1', 'a2'], { tag: 'wanted' });
    await scene.append(['a3'], { tag: 'other' });
    await scene.append(['a4'], { tag: 'wanted' });
    const relay = await scene.on(node);
    const first = await relay.take(1, 30_000);
    await scene.configure({ filter: 'other' });
    await node.subscriptionChanged(scene.topic, scene.group);
    await scene.append(['a5'], { tag: 'other' });
    await scene.on(node);
    await scene.settle(relay, first);
    expect(await ackOneByOne(scene, relay)).toEqual(['a5']);
    for (let round = 0; round < 3; round += 1) await node.runOnce(world.clock.advance(300));
    expect(await backlogOf(scene)).toBe(0);
  });
});
