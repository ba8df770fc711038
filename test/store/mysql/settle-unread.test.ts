import { Problem } from '../../../src/message/problem.js';
import { SettleGroup } from '../../../src/relay/settle-group.js';
import type { SqlDatabase } from '../../../src/store/sql/database.js';
import { settle } from '../../../src/store/sql/settle.js';
import { claimOne, freshName, insertNode, insertTopic, pullConfig, settlement } from '../conformance/log-fixture.js';
import { mysqlServer, openTestStore } from '../databases.js';

test('where it cannot be read which of many lanes were fenced, nobody is told that all are', async () => {
  const opened = await openTestStore(mysqlServer);
  const { store, database } = opened;
  const node = freshName('node');
  await insertNode(database, node, 10_000);
  const topics = Array.from({ length: 20 }, (_, index) => freshName(`orders-${index}`));
  for (const topic of topics) {
    await insertTopic(database, { name: topic, shards: 1 });
    await store.subscriptions.put(topic, 'g', pullConfig(), 'earliest', undefined, 1_000);
    await claimOne(store.lanes, topic, 'g', 0, node, 1_000);
  }
  const read: SqlDatabase['read'] = () => Promise.reject(new Problem('overloaded', 'too many reads wait'));
  const busy = new Proxy(database, {
    get: (target, name) => {
      const value: unknown = name === 'read' ? read : Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const clock = { now: () => 1_000 };
  const bounds = { flushSubscriptionsMax: 100, flushConcurrency: 1 };
  const group = new SettleGroup({ settle: (settlements) => settle(busy, settlements) }, clock, bounds);
  const epochs = await Promise.all(
    topics.map(async (topic) => (await store.subscriptions.get(topic, 'g'))!.subscription.epoch),
  );
  const told = await Promise.all(
    topics.map((topic, index) => {
      const epoch = index === 7 ? epochs[index]! - 1 : epochs[index]!;
      const write = settlement({ topic, group: 'g', epoch }, { shard: 0, settledOffset: 5 });
      return new Promise<unknown>((resolve) =>
        group.request({
          begin: () => write,
          stored: () => resolve('stored'),
          fenced: () => resolve('fenced'),
          failed: resolve,
        }),
      );
    }),
  );
  expect(told).toEqual(topics.map(() => expect.objectContaining({ slug: 'unavailable' })));
  // They are written again later, by the next number.
  const again = topics.map((topic, index) =>
    settlement({ topic, group: 'g', epoch: epochs[index]! }, { shard: 0, settledOffset: 6 }),
  );
  expect(await store.lanes.settle(again, 1_000)).toEqual(topics.map(() => 'stored'));
  await opened.close();
});
