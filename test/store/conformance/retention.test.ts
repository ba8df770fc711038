import { randomUUID } from 'node:crypto';
import type { MessageRef } from '../../../src/message/ref.js';
import type { RetentionStore } from '../../../src/store/retention-store.js';
import { Tables } from '../../simulation/model/tables.js';
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
  storedIds,
} from './log-fixture.js';
import {
  countRows,
  insertOldTransactions,
  oldTransaction,
  type CountedTable,
  type OldTransaction,
} from './old-transactions.js';

const group = 'billing';
const hourMs = 3_600_000;

describeConformance('RetentionStore', (open, kind) => {
  let opened: ConformingStore;
  let retention: RetentionStore;
  let topic: string;

  beforeAll(async () => {
    opened = await open();
    retention = opened.store.retention;
  });

  /** Messages are kept for 1,000 ms. */
  beforeEach(async () => {
    topic = freshName('orders');
    await insertTopic(opened.below, { name: topic, shards: 1, retentionMs: 1_000 });
  });

  const ids = (of: MessageRef[]): string[] => of.map(({ id }) => id).sort();

  async function firstOffset(): Promise<number> {
    if (opened.below instanceof Tables) return opened.below.shard(topic, 0)!.firstOffset;
    const [found] = await opened.database.read({
      sql: 'SELECT first_offset FROM halfbox_shard WHERE topic = ?',
      params: [topic],
    });
    return Number(found?.rows[0]?.['first_offset']);
  }

  async function owner(name = group): Promise<{ topic: string; group: string; epoch: number }> {
    await opened.store.subscriptions.put(topic, name, pullConfig(), 'earliest', undefined, 0);
    const claim = (await claimOne(opened.store.lanes, topic, name, 0, freshName('node'), 0))!;
    return { topic, group: name, epoch: claim.subscription.epoch };
  }

  describe('the log', () => {
    test('of a topic without subscriptions goes by age, in whole chunks', async () => {
      const [old, middle, young] = [refs(3), refs(2), refs(2)];
      await appendChunk(opened.below, topic, 0, old, 100);
      await appendChunk(opened.below, topic, 0, middle, 200);
      await appendChunk(opened.below, topic, 0, young, 300);
      expect(await retention.purgeLog(topic, 0, 1_099, 500)).toBe(0);
      expect(await retention.purgeLog(topic, 0, 1_299, 500)).toBe(5);
      expect(await firstOffset()).toBe(5);
      expect(await storedIds(opened.below, ids([...old, ...middle, ...young]))).toEqual(ids(young));
      expect((await opened.store.lanes.readLog(topic, 0, 0, 100)).map((chunk) => chunk.firstOffset)).toEqual([5]);
      expect(await retention.purgeLog(topic, 0, 1_300, 500)).toBe(2);
      expect(await retention.purgeLog(topic, 0, 1_300, 500)).toBe(0);
      await opened.store.subscriptions.put(topic, group, pullConfig(), 'earliest', undefined, 0);
      expect(await opened.store.subscriptions.counts(topic, group)).toMatchObject({ backlog: 0 });
    });

    test('goes a bounded batch at a time', async () => {
      for (let chunk = 0; chunk < 10; chunk += 1) await appendChunk(opened.below, topic, 0, refs(3), 100);
      expect(await retention.purgeLog(topic, 0, 9_000, 7)).toBe(9);
      expect(await retention.purgeLog(topic, 0, 9_000, 7)).toBe(9);
      expect(await firstOffset()).toBe(18);
    });

    test('never loses what a subscription has not settled', async () => {
      const all = refs(6);
      for (let start = 0; start < 6; start += 2) {
        await appendChunk(opened.below, topic, 0, all.slice(start, start + 2), 100);
      }
      const slow = await owner('slow');
      const fast = await owner('fast');
      await opened.store.lanes.settle(
        [settlement(slow, { shard: 0, settledOffset: 3 }), settlement(fast, { shard: 0, settledOffset: 6 })],
        0,
      );
      expect(await retention.purgeLog(topic, 0, 99_000, 500)).toBe(2);
      expect(await storedIds(opened.below, ids(all))).toEqual(ids(all.slice(2)));
      await opened.store.subscriptions.remove(topic, 'slow', true);
      expect(await retention.purgeLog(topic, 0, 99_000, 500)).toBe(4);
    });

    test('leaves a message that a retry or a dead letter names, until none does', async () => {
      const all = refs(3);
      const [retried, dead, done] = all as [MessageRef, MessageRef, MessageRef];
      await appendChunk(opened.below, topic, 0, all, 100);
      const owned = await owner();
      const deadLetter = deadAt(0, 1, { ref: dead });
      await opened.store.lanes.settle(
        [
          settlement(
            owned,
            { shard: 0, settledOffset: 3 },
            {
              retriesPut: [retryAt(0, 0, { ref: retried })],
              deadLetters: [deadLetter],
            },
          ),
        ],
        0,
      );
      const now = 99_000;
      expect(await retention.purgeLog(topic, 0, now, 500)).toBe(3);
      expect(await storedIds(opened.below, ids(all))).toEqual(ids([retried, dead]));
      expect(await opened.store.subscriptions.counts(topic, group)).toMatchObject({
        backlog: 1,
        oldestUnsettledAt: 100,
      });
      expect(await retention.purgeKept(now, 500)).toBe(0);
      expect(await retention.purgeKept(now + hourMs, 500)).toBe(2);
      expect(await storedIds(opened.below, ids([done, retried, dead]))).toEqual(ids([retried, dead]));

      await opened.store.lanes.settle(
        [settlement(owned, { shard: 0, settledOffset: 3 }, { retriesDelete: [{ shard: 0, offset: 0 }] })],
        0,
      );
      expect(await retention.purgeKept(now + 2 * hourMs, 500)).toBe(2);
      expect(await storedIds(opened.below, ids(all))).toEqual([dead.id]);
      // Back in the retry store, it is named still.
      await opened.store.deadLetters.redrive({ ids: [deadLetter.id] }, now, 500);
      expect(await retention.purgeKept(now + 3 * hourMs, 500)).toBe(1);
      expect(await storedIds(opened.below, ids(all))).toEqual([dead.id]);
      await opened.store.subscriptions.remove(topic, group, true);
      expect(await retention.purgeKept(now + 4 * hourMs, 500)).toBe(1);
      expect(await retention.purgeKept(now + 9 * hourMs, 500)).toBe(0);
      expect(await storedIds(opened.below, ids(all))).toEqual([]);
    });

    sqlTest(kind)('finishes what a crash left after the first offset was raised', async () => {
      const all = refs(4);
      await appendChunk(opened.below, topic, 0, all, 100);
      await opened.database.transaction(async (session) => {
        await session.finish({ sql: 'UPDATE halfbox_shard SET first_offset = 4 WHERE topic = ?', params: [topic] });
      });
      expect(await retention.purgeableShards(1_100, undefined, 500)).toContainEqual({ topic, shard: 0 });
      expect(await retention.purgeLog(topic, 0, 1_100, 500)).toBe(0);
      expect(await storedIds(opened.below, ids(all))).toEqual([]);
      expect(await retention.purgeableShards(1_100, undefined, 500)).not.toContainEqual({ topic, shard: 0 });
    });

    test('is purgeable where its first chunk is old, a page of shards at a time', async () => {
      const names = ['x', 'y'].map((name) => `~${freshName(name)}`).sort();
      for (const name of names) {
        await insertTopic(opened.below, { name, shards: 3, retentionMs: 1_000 });
        for (const shard of [0, 2]) await appendChunk(opened.below, name, shard, refs(1), 100);
        await appendChunk(opened.below, name, 1, refs(1), 200);
      }
      const old = names.flatMap((name) => [0, 2].map((shard) => ({ topic: name, shard })));
      const start = { topic: '~', shard: 0 };
      expect(await retention.purgeableShards(1_099, start, 10)).toEqual([]);
      const page = await retention.purgeableShards(1_100, start, 3);
      expect(page).toEqual(old.slice(0, 3));
      expect(await retention.purgeableShards(1_100, page.at(-1), 3)).toEqual(old.slice(3));
    });

    test('purged by two nodes while a subscription is made and moved to the start keeps what they will read', async () => {
      const another = await opened.another();
      const all: MessageRef[] = [];
      for (let chunk = 0; chunk < 60; chunk += 1) {
        const batch = refs(2);
        all.push(...batch);
        await appendChunk(opened.below, topic, 0, batch, 100);
      }
      const purge = async (store: RetentionStore): Promise<void> => {
        while ((await store.purgeLog(topic, 0, 99_000, 4)) > 0);
      };
      const read = async (name: string): Promise<void> => {
        await another.subscriptions.put(topic, name, pullConfig(), 'earliest', undefined, 0);
        await another.subscriptions.seek(topic, name, 'earliest');
        const claim = (await claimOne(another.lanes, topic, name, 1, 'node', 0))!;
        const from = claim.cursors[0]!.settledOffset;
        const chunks = await another.lanes.readLog(topic, 0, from, 10_000);
        expect(chunks[0]?.firstOffset ?? all.length).toBe(from);
        const kept = all.slice(from);
        expect(await storedIds(opened.below, ids(kept))).toEqual(ids(kept));
      };
      await Promise.all([purge(retention), purge(another.retention), read('a'), read('b')]);
    });
  });

  test('a recalled message is kept as long as its topic keeps messages', async () => {
    const id = randomUUID();
    const delayed = { id, idGiven: true, topic, deliverAt: 500, body: { json: '{}' } };
    await opened.store.half.append([{ kind: 'send', messages: [delayed] }], { now: () => 0 }, 1_000);
    expect(await opened.store.schedule.recall(id, 100)).toBe('recalled');
    await retention.purgeKept(1_099, 500);
    expect(await storedIds(opened.below, [id])).toEqual([id]);
    expect(await retention.purgeKept(1_100, 500)).toBe(1);
    expect(await storedIds(opened.below, [id])).toEqual([]);
  });

  describe('transactions', () => {
    const insertTransactions = (transactions: OldTransaction[]): Promise<void> =>
      insertOldTransactions(opened.below, topic, transactions);

    const count = (table: CountedTable, prefix: string): Promise<number> => countRows(opened.below, table, prefix);

    test('that are resolved go when their time is over; the messages of committed ones stay', async () => {
      const prefix = randomUUID();
      await insertTransactions([
        oldTransaction(`${prefix}-rolled-back`, 'rolled_back', 100, 3),
        oldTransaction(`${prefix}-later`, 'rolled_back', 101),
        oldTransaction(`${prefix}-committed`, 'committed', 100),
        oldTransaction(`${prefix}-prepared`, 'prepared', 50),
        oldTransaction(`${prefix}-parked`, 'parked', 50),
      ]);
      expect(await retention.purgeResolved(100, 500)).toBe(2);
      expect(await retention.purgeResolved(100, 500)).toBe(0);
      expect(await count('halfbox_transaction', prefix)).toBe(3);
      expect(await count('halfbox_check_attempt', prefix)).toBe(3);
      expect(await count('halfbox_message', `${prefix}-rolled-back`)).toBe(0);
      expect(await count('halfbox_message', prefix)).toBe(4);
      expect(await retention.purgeParked(50, 500)).toBe(0);
      expect(await retention.purgeParked(51, 500)).toBe(1);
      expect(await count('halfbox_message', `${prefix}-parked`)).toBe(0);
      expect(await retention.purgeResolved(101, 500)).toBe(1);
    });

    test('of many messages go fewer at a time', async () => {
      const prefix = randomUUID();
      const many = Array.from({ length: 5 }, (_, index) =>
        oldTransaction(`${prefix}-${index}`, 'rolled_back', index, 40),
      );
      await insertTransactions(many);
      expect(await retention.purgeResolved(100, 50)).toBe(2);
      expect(await retention.purgeResolved(100, 50)).toBe(2);
      expect(await retention.purgeResolved(100, 50)).toBe(1);
      expect(await count('halfbox_message', prefix)).toBe(0);
    });

    sqlTest(kind)(
      'that were rolled back, 200,000 of them, go while commits go on',
      async () => {
        const prefix = randomUUID();
        const transactions = Array.from({ length: 200_000 }, (_, index) => ({
          ...oldTransaction(`${prefix}-${index}`, 'rolled_back', 100),
          asked: 0,
        }));
        await insertTransactions(transactions);
        let purged = 0;
        let isPurging = true;
        const purge = async (): Promise<void> => {
          for (let deleted = 1; deleted > 0; purged += deleted) deleted = await retention.purgeResolved(100, 500);
          isPurging = false;
        };
        const waits: number[] = [];
        const commit = async (): Promise<void> => {
          while (isPurging) {
            const startedAt = performance.now();
            await appendChunk(opened.below, topic, 0, refs(1), 1_000);
            waits.push(performance.now() - startedAt);
          }
        };
        await Promise.all([purge(), commit(), commit()]);
        expect(purged).toBe(200_000);
        expect(await count('halfbox_transaction', prefix)).toBe(0);
        expect(await count('halfbox_message', prefix)).toBe(0);
        const [heads] = await opened.store.lanes.heads([topic]);
        expect(heads?.nextOffset).toBe(waits.length);
        expect(waits.length).toBeGreaterThan(0);
        process.stdout.write(
          `200,000 rolled-back transactions deleted beside ${waits.length} commits; longest commit ${Math.max(...waits).toFixed(1)} ms\n`,
        );
      },
      300_000,
    );
  });

  test('dead letters that are old are discarded, the oldest first', async () => {
    const owned = await owner();
    const letters = [300, 100, 200].map((diedAt, offset) => deadAt(0, offset, { diedAt }));
    await opened.store.lanes.settle([settlement(owned, { shard: 0, settledOffset: 0 }, { deadLetters: letters })], 0);
    expect(await retention.purgeDeadLetters(300, 1)).toBe(1);
    expect(
      (await opened.store.deadLetters.list({ topic }, undefined, 9)).items.map(({ diedAt }) => diedAt).sort(),
    ).toEqual([200, 300]);
    expect(await retention.purgeDeadLetters(300, 500)).toBe(1);
    expect(await retention.purgeDeadLetters(300, 500)).toBe(0);
  });
});
