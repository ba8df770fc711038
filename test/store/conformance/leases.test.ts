import { describeConformance, sqlTest, type ConformingStore } from '../databases.js';
import { claimOne, deadAt, freshName, insertTopic, pullConfig, retryAt, settlement } from './log-fixture.js';

describeConformance('leases that are claimed together', (open, kind) => {
  let opened: ConformingStore;
  let topic: string;

  beforeAll(async () => {
    opened = await open();
  });

  beforeEach(async () => {
    topic = freshName('orders');
    await insertTopic(opened.below, { name: topic, shards: 2 });
    for (const group of ['a', 'b', 'c'])
      await opened.store.subscriptions.put(topic, group, pullConfig(), 'earliest', undefined, 1_000);
  });

  const lease = (group: string, epoch = 1_000) => ({ topic, group, epoch });

  it('are answered in the order of the call, each by itself', async () => {
    const { lanes, subscriptions } = opened.store;
    await claimOne(lanes, topic, 'b', 1_000, freshName('other'), 1_000);
    const node = freshName('node');
    const leases = [lease('c'), lease('b'), lease('no-such-group'), lease('a')];
    const claimed = await lanes.claim(leases, node, 2_000);
    expect(claimed.map((each) => each?.subscription.group)).toEqual(['c', undefined, undefined, 'a']);
    for (const each of [claimed[0], claimed[3]]) {
      expect(each!.subscription).toMatchObject({ topic, owner: node, epoch: 1_001 });
      expect(each!.cursors.map(({ shard }) => shard)).toEqual([0, 1]);
    }
    expect((await subscriptions.get(topic, 'b'))!.subscription.epoch).toBe(1_001);
    expect(await lanes.claim([], node, 2_000)).toEqual([]);
  });

  it('go to one node each when several claim the same ones at once, in any order', async () => {
    const another = await opened.another();
    const leases = ['a', 'b', 'c'].map((group) => lease(group));
    const claims = await Promise.all(
      Array.from({ length: 8 }, (_, index) => {
        const { lanes } = index % 2 === 0 ? opened.store : another;
        return lanes.claim(index % 3 === 0 ? leases : leases.toReversed(), `node-${index}`, 1_000);
      }),
    );
    const won = claims.flat().flatMap((each) => (each === null ? [] : [each.subscription.group]));
    expect(won.sort()).toEqual(['a', 'b', 'c']);
  });

  it('say which of them have retries or dead letters', async () => {
    const { lanes } = opened.store;
    const groups = ['a', 'b', 'c'];
    const first = await lanes.claim(
      groups.map((group) => lease(group)),
      freshName('node'),
      1_000,
    );
    expect(first.map((each) => each!.hasEntries)).toEqual([false, false, false]);
    const of = (group: string) => ({ topic, group, epoch: 1_001 });
    await lanes.settle(
      [
        settlement(of('a'), { shard: 0, settledOffset: 0 }, { retriesPut: [retryAt(0, 0)] }),
        settlement(of('c'), { shard: 1, settledOffset: 0 }, { deadLetters: [deadAt(1, 0)] }),
      ],
      1_000,
    );
    // None of those nodes has a row: their leases have ended.
    const next = await lanes.claim(
      groups.map((group) => lease(group, 1_001)),
      freshName('node'),
      2_000,
    );
    expect(next.map((each) => each!.hasEntries)).toEqual([true, false, true]);
  });

  it('fence the settlements of the owner before, each by itself', async () => {
    const { lanes } = opened.store;
    const [a] = await lanes.claim([lease('a')], freshName('gone'), 1_000);
    await lanes.claim([lease('b')], freshName('gone'), 1_000);
    const [, claimed] = await lanes.claim([lease('c'), lease('b', 1_001)], freshName('node'), 2_000);
    expect(claimed!.subscription.epoch).toBe(1_002);
    const late = ['a', 'b'].map((group) =>
      settlement({ topic, group, epoch: a!.subscription.epoch }, { shard: 1, settledOffset: 3 }),
    );
    expect(await lanes.settle(late, 2_000)).toEqual(['stored', 'fenced']);
    const [again] = await lanes.claim([lease('b', 1_002)], freshName('node'), 3_000);
    expect(again!.cursors.map(({ settledOffset }) => settledOffset)).toEqual([0, 0]);
  });

  sqlTest(kind)('are none of them taken when one cannot be read', async () => {
    const { store, database } = opened;
    const broken = (given: string) =>
      database.transaction((session) =>
        session.finish({
          sql: 'UPDATE halfbox_lane SET given = ? WHERE topic = ? AND consumer_group = ?',
          params: [given, topic, 'b'],
        }),
      );
    await broken('nothing');
    const leases = ['a', 'b', 'c'].map((group) => lease(group));
    await expect(store.lanes.claim(leases, freshName('node'), 1_000)).rejects.toThrow(SyntaxError);
    await broken('[]');
    const claimed = await store.lanes.claim(leases, freshName('node'), 1_000);
    expect(claimed.map((each) => each?.subscription.epoch)).toEqual([1_001, 1_001, 1_001]);
  });
});
