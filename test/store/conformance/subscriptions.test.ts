import { Problem } from '../../../src/message/problem.js';
import type { LaneCursor } from '../../../src/store/lane-store.js';
import type { SubscriptionStore } from '../../../src/store/subscription-store.js';
import { describeConformance, sqlTest, type ConformingStore } from '../databases.js';
import {
  appendChunk,
  claimOne,
  deadAt,
  freshName,
  insertTopic,
  pullConfig,
  refs,
  retryAt,
  settlement,
} from './log-fixture.js';

const group = 'billing';

describeConformance('SubscriptionStore', (open, kind) => {
  let opened: ConformingStore;
  let subscriptions: SubscriptionStore;
  let topic: string;

  beforeAll(async () => {
    opened = await open();
    subscriptions = opened.store.subscriptions;
  });

  beforeEach(async () => {
    topic = freshName('orders');
    await insertTopic(opened.below, { name: topic, shards: 2 });
  });

  async function claim(): Promise<{ topic: string; group: string; epoch: number; cursors: LaneCursor[] }> {
    const { subscription } = (await subscriptions.get(topic, group))!;
    const claimed = (await claimOne(opened.store.lanes, topic, group, subscription.epoch, freshName('node'), 1_000))!;
    return { topic, group, epoch: claimed.subscription.epoch, cursors: claimed.cursors };
  }

  async function offsets(): Promise<number[]> {
    return (await claim()).cursors.map(({ settledOffset }) => settledOffset);
  }

  /** Chunks of two messages in shard 0 at the times 100, 200 and 300. */
  async function appendThreeChunks(): Promise<void> {
    for (const at of [100, 200, 300]) await appendChunk(opened.below, topic, 0, refs(2), at);
  }

  describe('put', () => {
    test('creates, then replaces the configuration and keeps the place and the secret', async () => {
      await appendThreeChunks();
      const created = await subscriptions.put(topic, group, pullConfig(), 'earliest', 'whsec_a', 1_000);
      expect(created).toMatchObject({ created: true, secrets: { current: 'whsec_a' } });
      expect(created.subscription).toEqual({
        topic,
        group,
        config: pullConfig(),
        paused: false,
        generation: 1,
        epoch: 1_000,
        owner: null,
        createdAt: 1_000,
      });
      const replaced = await subscriptions.put(
        topic,
        group,
        pullConfig({ filter: 'a||b' }),
        'latest',
        'whsec_b',
        2_000,
      );
      expect(replaced).toMatchObject({ created: false, secrets: { current: 'whsec_a' } });
      expect(replaced.subscription).toMatchObject({ config: { filter: 'a||b' }, createdAt: 1_000 });
      expect(await offsets()).toEqual([0, 0]);
      expect(await subscriptions.get(topic, group)).toMatchObject({ secrets: { current: 'whsec_a' } });
    });

    test.each([
      ['latest', 6],
      ['earliest', 0],
      [{ at: 100 }, 0],
      [{ at: 101 }, 2],
      [{ at: 300 }, 4],
      [{ at: 301 }, 6],
    ] as const)('starts at %j', async (startFrom, expected) => {
      await appendThreeChunks();
      await subscriptions.put(topic, group, pullConfig(), startFrom, undefined, 1_000);
      expect(await offsets()).toEqual([expected, 0]);
    });

    test('starts at a time among many chunks', async () => {
      for (let at = 1; at <= 60; at += 1) await appendChunk(opened.below, topic, 1, refs((at % 3) + 1), at * 10);
      for (const at of [1, 10, 11, 255, 590, 600, 601]) {
        const name = freshName('at');
        await subscriptions.put(topic, name, pullConfig(), { at }, undefined, 1_000);
        const { cursors } = (await claimOne(opened.store.lanes, topic, name, 1_000, 'node', 1_000))!;
        const older = Array.from({ length: 60 }, (_, index) => index + 1).filter((chunk) => chunk * 10 < at);
        expect(cursors[1]?.settledOffset).toBe(older.reduce((all, chunk) => all + (chunk % 3) + 1, 0));
      }
    });

    test('refuses another mode and an unknown topic', async () => {
      await subscriptions.put(topic, group, pullConfig(), 'latest', undefined, 1_000);
      await expect(
        subscriptions.put(topic, group, pullConfig({ mode: 'queue' }), 'latest', undefined, 1_000),
      ).rejects.toMatchObject({ slug: 'already-exists' });
      await expect(
        subscriptions.put(freshName('none'), group, pullConfig(), 'latest', undefined, 1_000),
      ).rejects.toMatchObject({ slug: 'topic-not-found' });
    });

    test('by several nodes at once creates one', async () => {
      const another = await opened.another();
      const stores = [subscriptions, another.subscriptions];
      const puts = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          stores[index % 2]!.put(topic, group, pullConfig(), 'latest', `whsec_${index}`, 1_000),
        ),
      );
      expect(puts.filter(({ created }) => created)).toHaveLength(1);
      expect(new Set(puts.map(({ secrets }) => secrets?.current)).size).toBe(1);
    });

    test('at `latest` while eight writers commit misses nothing that was begun after it was answered', async () => {
      const chunksOfWriter = 15;
      const begunAfter = new Map<string, Set<string>>();
      const groups = Array.from({ length: 5 }, (_, index) => `late-${index}`);
      const write = async (writer: number): Promise<void> => {
        for (let chunk = 0; chunk < chunksOfWriter; chunk += 1) {
          const batch = refs(2);
          for (const ids of begunAfter.values()) for (const { id } of batch) ids.add(id);
          await appendChunk(opened.below, topic, writer % 2, batch, 1_000);
        }
      };
      const subscribe = async (name: string): Promise<void> => {
        await subscriptions.put(topic, name, pullConfig(), 'latest', undefined, 1_000);
        begunAfter.set(name, new Set());
      };
      const subscribeAll = async (): Promise<void> => {
        for (const name of groups) await subscribe(name);
      };
      await Promise.all([...Array.from({ length: 8 }, (_, writer) => write(writer)), subscribeAll()]);
      await appendChunk(opened.below, topic, 0, refs(1), 1_000);

      for (const name of groups) {
        const { cursors } = (await claimOne(opened.store.lanes, topic, name, 1_000, 'node', 1_000))!;
        const seen = new Set<string>();
        for (const { shard, settledOffset } of cursors) {
          const chunks = await opened.store.lanes.readLog(topic, shard, settledOffset, 10_000);
          let next = settledOffset;
          for (const { firstOffset, refs: read } of chunks) {
            expect(firstOffset).toBe(next);
            next += read.length;
            for (const { id } of read) seen.add(id);
          }
        }
        const missing = [...begunAfter.get(name)!].filter((id) => !seen.has(id));
        expect(missing).toEqual([]);
      }
    });
  });

  describe('seek', () => {
    test('moves every lane, drops the retries, and fences the owner', async () => {
      await appendThreeChunks();
      await subscriptions.put(topic, group, pullConfig(), 'earliest', undefined, 1_000);
      const owner = await claim();
      const settled = settlement(owner, { shard: 0, settledOffset: 5 }, { retriesPut: [retryAt(0, 1)] });
      await opened.store.lanes.settle([settled], 1_000);

      expect(await subscriptions.seek(topic, group, { at: 200 })).toBe(true);
      expect(await opened.store.lanes.settle([settled], 1_000)).toEqual(['fenced']);
      const { subscription } = (await subscriptions.get(topic, group))!;
      expect(subscription).toMatchObject({ owner: null, generation: 2, epoch: owner.epoch + 1 });
      expect(await opened.store.lanes.nextRetryAt(topic, group)).toBeNull();
      expect(await offsets()).toEqual([2, 0]);

      await subscriptions.seek(topic, group, 'latest');
      expect(await offsets()).toEqual([6, 0]);
      await subscriptions.seek(topic, group, 'earliest');
      expect(await offsets()).toEqual([0, 0]);
      expect(await subscriptions.seek(topic, 'nobody', 'latest')).toBe(false);
    });

    test('racing with the owner leaves either all of its settlement before it or nothing', async () => {
      await appendThreeChunks();
      await subscriptions.put(topic, group, pullConfig(), 'latest', undefined, 1_000);
      const another = await opened.another();
      for (let round = 0; round < 10; round += 1) {
        const owner = await claim();
        const late = settlement(owner, { shard: 0, settledOffset: 1 }, { retriesPut: [retryAt(0, 0)] });
        await Promise.all([
          opened.store.lanes.settle([late], 1_000),
          another.subscriptions.seek(topic, group, 'latest'),
        ]);
        expect(await opened.store.lanes.nextRetryAt(topic, group)).toBeNull();
        expect(await offsets()).toEqual([6, 0]);
      }
    });
  });

  test('counts what is unsettled, retrying and dead', async () => {
    await appendThreeChunks();
    await subscriptions.put(topic, group, pullConfig(), 'earliest', undefined, 1_000);
    expect(await subscriptions.counts(topic, group)).toEqual({
      backlog: 6,
      inFlight: 0,
      retrying: 0,
      dead: 0,
      oldestUnsettledAt: 100,
    });
    const owner = await claim();
    await opened.store.lanes.settle(
      [
        settlement(
          owner,
          { shard: 0, settledOffset: 3 },
          {
            cursors: [{ shard: 0, settledOffset: 3, settledAbove: [[4, 5]], given: [{ from: 3, to: 4, dueAt: 9 }] }],
            retriesPut: [retryAt(0, 2), retryAt(0, 4, { state: 'waiting_for_key' })],
            deadLetters: [deadAt(0, 0)],
          },
        ),
      ],
      1_000,
    );
    expect(await subscriptions.counts(topic, group)).toEqual({
      backlog: 4,
      inFlight: 1,
      retrying: 1,
      dead: 1,
      oldestUnsettledAt: 200,
    });
    await opened.store.lanes.settle(
      [
        settlement(
          owner,
          { shard: 0, settledOffset: 6 },
          { retriesDelete: [2, 4].map((offset) => ({ shard: 0, offset })) },
        ),
      ],
      1_000,
    );
    expect(await subscriptions.counts(topic, group)).toEqual({ backlog: 0, inFlight: 0, retrying: 0, dead: 1 });
    expect(await subscriptions.counts(topic, 'nobody')).toEqual({ backlog: 0, inFlight: 0, retrying: 0, dead: 0 });
  });

  describe('remove', () => {
    test('refuses while anything is open, and deletes everything by force', async () => {
      await appendThreeChunks();
      await subscriptions.put(topic, group, pullConfig(), 'earliest', undefined, 1_000);
      await expect(subscriptions.remove(topic, group, false)).rejects.toThrow(
        new Problem('not-empty', `the subscription ${topic}/${group} has unsettled messages; force deletes them`),
      );
      const owner = await claim();
      await opened.store.lanes.settle(
        [
          settlement(
            owner,
            { shard: 0, settledOffset: 6 },
            {
              retriesPut: Array.from({ length: 1_100 }, (_, offset) => retryAt(0, offset)),
              deadLetters: [deadAt(0, 0)],
            },
          ),
        ],
        1_000,
      );
      await expect(subscriptions.remove(topic, group, false)).rejects.toThrow('messages to retry and dead letters');
      expect(await subscriptions.remove(topic, group, true)).toBe(true);
      expect(await subscriptions.remove(topic, group, true)).toBe(false);
      expect(await subscriptions.get(topic, group)).toBeNull();
      expect(await opened.store.lanes.settle([settlement(owner, { shard: 0, settledOffset: 6 })], 1_000)).toEqual([
        'fenced',
      ]);

      await subscriptions.put(topic, group, pullConfig(), 'latest', undefined, 1_000);
      expect(await subscriptions.counts(topic, group)).toEqual({ backlog: 0, inFlight: 0, retrying: 0, dead: 0 });
      expect(await subscriptions.remove(topic, group, false)).toBe(true);
    });

    sqlTest(kind)('that a crash interrupted is hidden, and finished by the next put', async () => {
      await subscriptions.put(topic, group, pullConfig(), 'latest', undefined, 1_000);
      const owner = await claim();
      await opened.store.lanes.settle(
        [settlement(owner, { shard: 0, settledOffset: 0 }, { retriesPut: [retryAt(0, 0)] })],
        1_000,
      );
      await opened.database.transaction(async (session) => {
        const params = [topic, group];
        await session.finish(
          {
            sql: 'UPDATE halfbox_subscription SET removing = 1, owner = NULL, idle_until = 0 WHERE topic = ? AND consumer_group = ?',
            params,
          },
          { sql: 'DELETE FROM halfbox_lane WHERE topic = ? AND consumer_group = ?', params },
        );
      });
      expect(await subscriptions.get(topic, group)).toBeNull();
      expect((await subscriptions.list(undefined, 500, topic)).items).toEqual([]);
      expect(await claimOne(opened.store.lanes, topic, group, owner.epoch, 'node', 9_999)).toBeNull();
      const { created } = await subscriptions.put(
        topic,
        group,
        pullConfig({ mode: 'queue' }),
        'latest',
        undefined,
        1_000,
      );
      expect(created).toBe(true);
      expect(await opened.store.lanes.nextRetryAt(topic, group)).toBeNull();
    });
  });

  test('ephemeral ones are removed when idle, unless touched', async () => {
    const config = pullConfig({ expiresAfterIdleMs: 500 });
    await subscriptions.put(topic, 'idle', config, 'latest', undefined, 1_000);
    await subscriptions.put(topic, 'used', config, 'latest', undefined, 1_000);
    await subscriptions.put(topic, 'lasting', pullConfig(), 'latest', undefined, 1_000);
    await subscriptions.touch(
      ['used', 'lasting', 'nobody'].map((name) => ({ topic, group: name })),
      1_400,
    );
    expect(await subscriptions.removeIdle(1_499, 500)).toEqual([]);
    expect(await subscriptions.removeIdle(1_500, 500)).toEqual([{ topic, group: 'idle' }]);
    expect((await subscriptions.list(undefined, 500, topic)).items.map((item) => item.group)).toEqual([
      'lasting',
      'used',
    ]);
    expect(await subscriptions.removeIdle(1_900, 500)).toEqual([{ topic, group: 'used' }]);
  });

  test('are listed by topic and group, a page at a time', async () => {
    const other = `${topic}-b`;
    await insertTopic(opened.below, { name: other, shards: 1 });
    for (const [of, name] of [
      [topic, 'b'],
      [topic, 'a'],
      [other, 'c'],
      [topic, 'B'],
    ] as const) {
      await subscriptions.put(of, name, pullConfig(), 'latest', undefined, 1_000);
    }
    const first = await subscriptions.list(undefined, 2, topic);
    expect(first).toMatchObject({ items: [{ group: 'B' }, { group: 'a' }], next: `${topic}/a` });
    expect(await subscriptions.list(first.next!, 2, topic)).toMatchObject({ items: [{ group: 'b' }], next: null });
    const all = await subscriptions.list(`${topic}/a`, 2);
    expect(all.items.map((item) => [item.topic, item.group])).toEqual([
      [topic, 'b'],
      [other, 'c'],
    ]);
    await expect(subscriptions.list('nonsense', 2)).rejects.toMatchObject({ slug: 'validation-failed' });
  });

  test('show that they were changed', async () => {
    await subscriptions.put(topic, group, pullConfig(), 'latest', 'whsec_a', 1_000);
    const before = await opened.store.now();
    const changed = async (): Promise<boolean> =>
      (await subscriptions.changedSince(before, 500)).some((item) => item.topic === topic);
    expect(await changed()).toBe(false);
    expect(await subscriptions.setPaused(topic, group, true, 'the target answered 410')).toBe(true);
    expect(await changed()).toBe(true);
    expect(await subscriptions.get(topic, group)).toMatchObject({
      subscription: { paused: true, pausedReason: 'the target answered 410' },
    });
    await subscriptions.setPaused(topic, group, false);
    expect((await subscriptions.get(topic, group))?.subscription).not.toHaveProperty('pausedReason');
    expect(await subscriptions.setPaused(topic, 'nobody', true)).toBe(false);

    const secrets = { current: 'whsec_b', previous: 'whsec_a', previousUntil: 9_000 };
    expect(await subscriptions.rotateSecret(topic, group, 'whsec_b', 9_000)).toEqual(secrets);
    expect(await subscriptions.get(topic, group)).toMatchObject({ secrets });
    expect(await subscriptions.rotateSecret(topic, 'nobody', 'whsec_b', 9_000)).toBeNull();
  });
});
