import { until } from '../queue/until.js';
import { pullConfig } from '../store/conformance/log-fixture.js';
import { openTestStore, sqliteServer } from '../store/databases.js';
import { ManualClock, Scene, startNode, type World } from './relay-fixture.js';

test('of many free subscriptions the one that a caller waits for is taken first', async () => {
  const world: World = { clock: new ManualClock(), opened: await openTestStore(sqliteServer) };
  const node = await startNode(world, 'node-1', { settings: { claimBatch: 5 } });
  const { topic } = await Scene.make(world);
  const groups = Array.from({ length: 100 }, (_, index) => `group-${index}`);
  const { subscriptions } = world.opened.store;
  for (const group of groups) await subscriptions.put(topic, group, pullConfig(), 'earliest', undefined, 0);
  const locating = node.locate(topic, 'group-99', 15_000);
  await until('its claim', async () => {
    await node.runOnce(world.clock.now());
    return node.owned(topic, 'group-99') !== null;
  });
  expect((await locating).relay?.group).toBe('group-99');
  expect(groups.filter((group) => node.owned(topic, group) !== null).length).toBeLessThan(50);
  await node.stop();
  await world.opened.close();
});
