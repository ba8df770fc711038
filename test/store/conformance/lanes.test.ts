import type { MessageRef } from '../../../src/message/ref.js';
import type { LaneCursor, LaneStore } from '../../../src/store/lane-store.js';
import { describeConformance, sqlTest, type ConformingStore } from '../databases.js';
import {
  appendChunk,
  claimOne,
  deadAt,
  freshName,
  insertNode,
  insertTopic,
  pullConfig,
  refs,
  retryAt,
  settlement,
} from './log-fixture.js';

const group = 'billing';

describeConformance('LaneStore', (open, kind) => {
  let opened: ConformingStore;
  let lanes: LaneStore;
  let topic: string;

  beforeAll(async () => {
    opened = await open();
    lanes = opened.store.lanes;
  });

  beforeEach(async () => {
    topic = freshName('orders');
    await insertTopic(opened.below, { name: topic, shards: 2 });
    await opened.store.subscriptions.put(topic, group, pullConfig(), 'earliest', undefined, 1_000);
  });

  /** Claims for a node that lives until 10,000. */
  async function claimed(): Promise<{ topic: string; group: string; epoch: number }> {
    const node = freshName('node');
    await insertNode(opened.below, node, 10_000);
    const { subscription } = (await opened.store.subscriptions.get(topic, group))!;
    const claim = await claimOne(lanes, topic, group, subscription.epoch, node, 1_000);
    return { topic, group, epoch: claim!.subscription.epoch };
  }

  async function cursorsAfterTakeover(): Promise<LaneCursor[]> {
    const { subscription } = (await opened.store.subscriptions.get(topic, group))!;
    const claim = await claimOne(lanes, topic, group, subscription.epoch, freshName('successor'), 20_000);
    return claim!.cursors;
  }

  describe('the log', () => {
    test('is read from an offset on, in whole chunks, with refs below it cut off', async () => {
      const all = refs(9);
      await appendChunk(opened.below, topic, 0, all.slice(0, 3), 100);
      await appendChunk(opened.below, topic, 0, all.slice(3, 6), 200);
      await appendChunk(opened.below, topic, 0, all.slice(6, 9), 300);
      const chunks = await lanes.readLog(topic, 0, 1, 3);
      expect(chunks).toEqual([
        { topic, shard: 0, firstOffset: 1, appendedAt: 100, refs: all.slice(1, 3) },
        { topic, shard: 0, firstOffset: 3, appendedAt: 200, refs: all.slice(3, 6) },
      ]);
      expect(await lanes.readLog(topic, 0, 8, 1)).toEqual([
        { topic, shard: 0, firstOffset: 8, appendedAt: 300, refs: all.slice(8) },
      ]);
      expect(await lanes.readLog(topic, 0, 9, 100)).toEqual([]);
      expect(await lanes.readLog(topic, 1, 0, 100)).toEqual([]);
    });

    test('keeps tags and key hashes', async () => {
      const tagged: MessageRef[] = [
        { id: freshName('a'), tag: 'paid', keyHash: 'abc' },
        { id: freshName('b'), keyHash: 'x' },
      ];
      await appendChunk(opened.below, topic, 0, tagged, 100);
      expect((await lanes.readLog(topic, 0, 0, 10))[0]?.refs).toEqual(tagged);
    });

    sqlTest(kind)('goes on behind a gap that was purged', async () => {
      const late = refs(2);
      await appendChunk(opened.below, topic, 0, refs(5), 100);
      await appendChunk(opened.below, topic, 0, late, 200);
      await opened.database.transaction(async (session) => {
        await session.finish({
          sql: 'DELETE FROM halfbox_shard_log WHERE topic = ? AND first_offset = 0',
          params: [topic],
        });
      });
      expect((await lanes.readLog(topic, 0, 0, 2)).map((chunk) => chunk.refs)).toEqual([late]);
    });

    test('shows its heads, and messages by id', async () => {
      const [first, second] = refs(2) as [MessageRef, MessageRef];
      await appendChunk(opened.below, topic, 1, [first, second], 100);
      const heads = await lanes.heads([topic, 'no-such-topic']);
      expect(heads.sort((a, b) => a.shard - b.shard)).toEqual([
        { topic, shard: 0, nextOffset: 0 },
        { topic, shard: 1, nextOffset: 2 },
      ]);
      const messages = await lanes.readMessages([first.id, 'no-such-message']);
      expect([...messages.keys()]).toEqual([first.id]);
      expect(messages.get(first.id)).toMatchObject({ topic, key: `key of ${first.id}`, body: { json: '{}' } });
    });
  });

  describe('a lease', () => {
    test('goes to exactly one of two nodes that claim at once', async () => {
      const another = await opened.another();
      const stores = [lanes, another.lanes];
      const claims = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          claimOne(stores[index % 2]!, topic, group, 1_000, `node-${index}`, 1_000),
        ),
      );
      const won = claims.filter((claim) => claim !== null);
      expect(won).toHaveLength(1);
      expect(won[0]?.subscription).toMatchObject({ epoch: 1_001, owner: expect.stringMatching(/^node-/) as string });
      expect(won[0]?.cursors.map(({ shard, settledOffset }) => [shard, settledOffset])).toEqual([
        [0, 0],
        [1, 0],
      ]);
    });

    test('cannot be claimed while its owner lives, and can once the owner has ended or gone', async () => {
      const owner = freshName('node');
      await insertNode(opened.below, owner, 5_000);
      await claimOne(lanes, topic, group, 1_000, owner, 1_000);
      const isClaimable = async (now: number): Promise<boolean> =>
        (await lanes.claimable(now, 500)).some((subscription) => subscription.topic === topic);

      expect(await isClaimable(4_999)).toBe(false);
      expect(await claimOne(lanes, topic, group, 1_001, 'other', 4_999)).toBeNull();
      expect(await isClaimable(5_000)).toBe(true);
      expect((await claimOne(lanes, topic, group, 1_001, 'other', 5_000))?.subscription.epoch).toBe(1_002);
      // `other` never had a node row.
      expect(await isClaimable(5_000)).toBe(true);
    });

    test('is given back once', async () => {
      const { epoch } = await claimed();
      expect(await lanes.release(topic, group, epoch - 1)).toBe(false);
      expect(await lanes.release(topic, group, epoch)).toBe(true);
      expect(await lanes.release(topic, group, epoch)).toBe(false);
      expect((await lanes.claimable(1_000, 500)).map((subscription) => subscription.topic)).toContain(topic);
    });
  });

  describe('settle', () => {
    test('stores cursors, ranges above them and what is given', async () => {
      const owned = await claimed();
      const cursors: LaneCursor[] = [
        { shard: 0, settledOffset: 4, settledAbove: [[6, 8]], given: [{ from: 4, to: 6, dueAt: 99 }] },
        { shard: 1, settledOffset: 2, settledAbove: [], given: [] },
      ];
      expect(await lanes.settle([{ ...settlement(owned, cursors[0]!), cursors }], 1_000)).toEqual(['stored']);
      expect(await cursorsAfterTakeover()).toEqual(cursors);
    });

    test('of an old epoch changes nothing, whatever it holds, and spares the others of the call', async () => {
      const old = await claimed();
      await lanes.release(topic, group, old.epoch);
      const owned = await claimed();
      const late = settlement(
        old,
        { shard: 0, settledOffset: 7 },
        { retriesPut: [retryAt(0, 3)], deadLetters: [deadAt(0, 4)] },
      );
      const good = settlement(owned, { shard: 1, settledOffset: 1 }, { retriesPut: [retryAt(1, 0)] });
      expect(await lanes.settle([late, good], 1_000)).toEqual(['fenced', 'stored']);
      expect(await lanes.settle([settlement(old, { shard: 0, settledOffset: 9 })], 1_000)).toEqual(['fenced']);
      expect((await lanes.dueRetries(topic, group, 9_999, 10)).map(({ offset }) => offset)).toEqual([0]);
      expect(await opened.store.subscriptions.counts(topic, group)).toMatchObject({ dead: 0 });
      expect((await cursorsAfterTakeover()).map(({ settledOffset }) => settledOffset)).toEqual([0, 1]);
    });

    test('that is run after a later one of the same owner changes nothing', async () => {
      const owned = await claimed();
      const early = settlement(owned, { shard: 0, settledOffset: 1 });
      const withEntries = settlement(owned, { shard: 0, settledOffset: 2 }, { retriesPut: [retryAt(0, 1)] });
      const later = settlement(owned, { shard: 0, settledOffset: 3 });
      expect(await lanes.settle([later], 1_000)).toEqual(['stored']);
      for (const late of [early, withEntries, later]) expect(await lanes.settle([late], 1_000)).toEqual(['fenced']);
      expect(await lanes.dueRetries(topic, group, 9_999, 10)).toEqual([]);
      expect((await cursorsAfterTakeover())[0]).toMatchObject({ settledOffset: 3 });
      const { subscription } = (await opened.store.subscriptions.get(topic, group))!;
      const [next] = await lanes.claim([{ topic, group, epoch: subscription.epoch }], freshName('node'), 99_999_999);
      const first = { ...settlement(next!.subscription, { shard: 0, settledOffset: 4 }), write: 1 };
      expect(await lanes.settle([first], 1_000)).toEqual(['stored']);
    });

    test('refuses an entry whose lane is not in it', async () => {
      const owned = await claimed();
      const wrong = settlement(owned, { shard: 0, settledOffset: 0 }, { retriesPut: [retryAt(1, 0)] });
      await expect(lanes.settle([wrong], 1_000)).rejects.toThrow('lacks the cursor of shard 1');
    });

    test('racing with claims leaves all of a settlement or none of it', async () => {
      const another = await opened.another();
      let { epoch } = await claimed();
      for (let round = 1; round <= 25; round += 1) {
        const cursors = [0, 1].map((shard) => ({ shard, settledOffset: round, settledAbove: [], given: [] }));
        const late = { ...settlement({ topic, group, epoch }, cursors[0]!), cursors };
        late.retriesPut = [retryAt(0, round)];
        const [[settled], claim] = await Promise.all([
          lanes.settle([late], 1_000),
          claimOne(another.lanes, topic, group, epoch, freshName('node'), 20_000),
        ]);
        const [first, second] = claim!.cursors;
        expect(first?.settledOffset).toBe(second?.settledOffset);
        expect(first?.settledOffset === round).toBe(settled === 'stored');
        const stored = await lanes.dueRetries(topic, group, 9_999, 1_000);
        expect(stored.some(({ offset }) => offset === round)).toBe(settled === 'stored');
        epoch = claim!.subscription.epoch;
      }
    });
  });

  describe('retries', () => {
    test('are put, replaced, ordered by due time, and deleted', async () => {
      const owned = await claimed();
      const lane = { shard: 0, settledOffset: 9 };
      const entries = [
        retryAt(0, 1, { dueAt: 300, error: 'boom', firstFailedAt: 50, ref: { id: 'a', tag: 'ä', keyHash: 'k' } }),
        retryAt(0, 2, { dueAt: 200 }),
        retryAt(0, 3, { dueAt: 400, state: 'given' }),
        retryAt(0, 4, { dueAt: 100, state: 'waiting_for_key', attempt: 0 }),
      ];
      await lanes.settle([settlement(owned, lane, { retriesPut: entries })], 1_000);
      expect(await lanes.dueRetries(topic, group, 299, 10)).toEqual([entries[1]]);
      expect(await lanes.dueRetries(topic, group, 300, 10)).toEqual([entries[1], entries[0]]);
      expect(await lanes.dueRetries(topic, group, 300, 1)).toEqual([entries[1]]);
      expect(await lanes.givenRetries(topic, group, 10)).toEqual([entries[2]]);
      expect(await lanes.nextRetryAt(topic, group)).toBe(200);

      const again = retryAt(0, 2, { dueAt: 900, attempt: 2, error: 'again' });
      await lanes.settle(
        [settlement(owned, lane, { retriesPut: [again], retriesDelete: [{ shard: 0, offset: 1 }] })],
        1_000,
      );
      expect(await lanes.dueRetries(topic, group, 9_999, 10)).toEqual([again]);
      await lanes.settle([settlement(owned, lane, { retriesDelete: [{ shard: 0, offset: 2 }] })], 1_000);
      expect(await lanes.nextRetryAt(topic, group)).toBeNull();
    });

    test('of more than one statement are all stored and deleted', async () => {
      const owned = await claimed();
      const entries = Array.from({ length: 1_203 }, (_, offset) => retryAt(0, offset));
      await lanes.settle([settlement(owned, { shard: 0, settledOffset: 2_000 }, { retriesPut: entries })], 1_000);
      expect(await lanes.dueRetries(topic, group, 1_000, 5_000)).toHaveLength(1_203);
      await lanes.settle([settlement(owned, { shard: 0, settledOffset: 2_000 }, { retriesDelete: entries })], 1_000);
      expect(await lanes.dueRetries(topic, group, 1_000, 5_000)).toEqual([]);
    });

    test('and dead letters block their ordering keys at the lowest offset', async () => {
      const owned = await claimed();
      const keyed = (keyHash: string): { ref: MessageRef } => ({ ref: { id: `of-${keyHash}`, keyHash } });
      await lanes.settle(
        [
          {
            ...settlement(owned, { shard: 0, settledOffset: 50 }),
            cursors: [0, 1].map((shard) => ({ shard, settledOffset: 50, settledAbove: [], given: [] })),
            retriesPut: [
              retryAt(0, 7, keyed('b')),
              retryAt(0, 5, { ...keyed('b'), state: 'waiting_for_key' }),
              retryAt(1, 3, keyed('a')),
              retryAt(0, 1),
            ],
            deadLetters: [deadAt(0, 4, keyed('b')), deadAt(1, 9, keyed('c')), deadAt(1, 2)],
          },
        ],
        1_000,
      );
      const a = { keyHash: 'a', shard: 1, offset: 3, state: 'due' };
      const b = { keyHash: 'b', shard: 0, offset: 5, state: 'waiting_for_key' };
      expect(await lanes.blockedKeys(topic, group, false, undefined, 10)).toEqual([a, b]);
      expect(await lanes.blockedKeys(topic, group, false, 'a', 10)).toEqual([b]);
      expect(await lanes.blockedKeys(topic, group, true, undefined, 2)).toEqual([
        a,
        { keyHash: 'b', shard: 0, offset: 4, state: 'dead' },
      ]);
      expect(await lanes.blockedKeys(topic, group, true, 'b', 2)).toEqual([
        { keyHash: 'c', shard: 1, offset: 9, state: 'dead' },
      ]);
      expect((await lanes.firstOfKey(topic, group, 'b'))?.offset).toBe(5);
      expect(await lanes.firstOfKey(topic, group, 'c')).toBeNull();
    });
  });
});
