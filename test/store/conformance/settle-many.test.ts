import type { LaneCursor, LaneStore, Settlement } from '../../../src/store/lane-store.js';
import { describeConformance, type ConformingStore } from '../databases.js';
import { freshName, insertNode, insertTopic, pullConfig, retryAt, settlement } from './log-fixture.js';

const group = 'billing';

interface Owned {
  topic: string;
  group: string;
  epoch: number;
}

describeConformance('LaneStore with many settlements at once', (open) => {
  let opened: ConformingStore;
  let lanes: LaneStore;

  beforeAll(async () => {
    opened = await open();
    lanes = opened.store.lanes;
  });

  /** Subscriptions of topics of two shards, claimed for a node that lives until 10,000. Of two topics each the names differ in case only. */
  async function claimed(count: number): Promise<Owned[]> {
    const node = freshName('node');
    await insertNode(opened.below, node, 10_000);
    const name = freshName('orders');
    const topics = Array.from({ length: count }, (_, index) => `${index % 2 === 0 ? 'O' : 'o'}${name}-${index >> 1}`);
    for (const topic of topics) {
      await insertTopic(opened.below, { name: topic, shards: 2 });
      await opened.store.subscriptions.put(topic, group, pullConfig(), 'earliest', undefined, 1_000);
    }
    return Promise.all(topics.map((topic) => claimedBy(opened, topic, node, 1_000).then(({ owned }) => owned)));
  }

  async function claimedBy(
    by: Pick<ConformingStore, 'store'>,
    topic: string,
    node: string,
    now: number,
  ): Promise<{ owned: Owned; cursors: LaneCursor[] }> {
    const { subscription } = (await by.store.subscriptions.get(topic, group))!;
    const [claim] = await by.store.lanes.claim([{ topic, group, epoch: subscription.epoch }], node, now);
    return { owned: { topic, group, epoch: claim!.subscription.epoch }, cursors: claim!.cursors };
  }

  function ofBothShards(owned: Owned, offset: number): Settlement {
    const cursors = [0, 1].map((shard): LaneCursor => ({
      shard,
      settledOffset: offset + shard,
      settledAbove: offset % 3 === 0 ? [[offset + 5, offset + 7]] : [],
      given: offset % 2 === 0 ? [] : [{ from: offset + 2, to: offset + 4, dueAt: offset }],
    }));
    return { ...settlement(owned, cursors[0]!), cursors };
  }

  test.each([8, 40])('each of %i subscriptions gets what is its own', async (count) => {
    const owned = await claimed(count);
    const settlements = owned.map((one, index) => ofBothShards(one, 10 * (index + 1)));
    expect(await lanes.settle(settlements, 1_000)).toEqual(owned.map(() => 'stored'));
    for (const [index, { topic }] of owned.entries()) {
      const { cursors } = await claimedBy(opened, topic, freshName('successor'), 20_000);
      expect([topic, cursors]).toEqual([topic, settlements[index]!.cursors]);
    }
  });

  test('those of an old epoch, and those that were overtaken, change nothing, whatever they hold; the others are stored', async () => {
    const owned = await claimed(42);
    const [old, overtaken] = [owned.filter((_, index) => index % 7 === 3), owned.filter((_, index) => index % 7 === 5)];
    const late = { ...settlement(overtaken[0]!, { shard: 0, settledOffset: 1 }), write: 5 };
    const first = overtaken.map((one) => ({ ...ofBothShards(one, 1), write: late.write }));
    expect(await lanes.settle(first, 1_000)).toEqual(first.map(() => 'stored'));
    const settlements = owned.map((one, index): Settlement => {
      const isOld = old.includes(one);
      const made = ofBothShards(isOld ? { ...one, epoch: one.epoch - 1 } : one, 10 * (index + 1));
      return { ...made, write: 3, retriesPut: index % 2 === 0 ? [retryAt(0, index)] : [] };
    });
    const fenced = (one: Owned): boolean => old.includes(one) || overtaken.includes(one);
    const outcomes = await lanes.settle(settlements, 1_000);
    expect(outcomes).toEqual(owned.map((one) => (fenced(one) ? 'fenced' : 'stored')));
    for (const [index, one] of owned.entries()) {
      const retries = await lanes.dueRetries(one.topic, group, 9_999, 10);
      expect(retries.map(({ offset }) => offset)).toEqual(index % 2 === 0 && !fenced(one) ? [index] : []);
      const { cursors } = await claimedBy(opened, one.topic, freshName('successor'), 20_000);
      const offset = overtaken.includes(one) ? 1 : old.includes(one) ? 0 : 10 * (index + 1);
      expect(cursors[0]!.settledOffset).toBe(offset);
    }
  });

  test('of two of one lane the one that holds the lease is stored', async () => {
    const owned = await claimed(20);
    const [one] = owned;
    const late = ofBothShards({ ...one!, epoch: one!.epoch - 1 }, 500);
    const settlements = owned.map((each) => ofBothShards(each, 30));
    expect(await lanes.settle([late, ...settlements], 1_000)).toEqual(['fenced', ...owned.map(() => 'stored')]);
    const { cursors } = await claimedBy(opened, one!.topic, freshName('successor'), 20_000);
    expect(cursors[0]!.settledOffset).toBe(30);
  });

  test('racing with claims leaves all of each settlement or none of it', async () => {
    const another = await opened.another();
    let owned = await claimed(12);
    for (let round = 1; round <= 10; round += 1) {
      const settlements = owned.map((one) => ({ ...ofBothShards(one, round), retriesPut: [retryAt(0, round)] }));
      const [outcomes, claims] = await Promise.all([
        lanes.settle(settlements, 1_000),
        Promise.all(owned.map(({ topic }) => claimedBy({ store: another }, topic, freshName('node'), 20_000))),
      ]);
      for (const [index, { cursors }] of claims.entries()) {
        const isStored = outcomes[index] === 'stored';
        expect(cursors.map(({ shard, settledOffset }) => settledOffset === round + shard)).toEqual([
          isStored,
          isStored,
        ]);
        const retries = await lanes.dueRetries(owned[index]!.topic, group, 9_999, 1_000);
        expect(retries.some(({ offset }) => offset === round)).toBe(isStored);
      }
      owned = claims.map((claim) => claim.owned);
    }
  });
});
