import type { DeadLetterStore } from '../../../src/store/dead-letter-store.js';
import type { NewDeadLetter } from '../../../src/store/lane-store.js';
import { describeConformance, type ConformingStore } from '../databases.js';
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

describeConformance('DeadLetterStore', (open) => {
  let opened: ConformingStore;
  let deadLetters: DeadLetterStore;
  let topic: string;

  beforeAll(async () => {
    opened = await open();
    deadLetters = opened.store.deadLetters;
  });

  beforeEach(async () => {
    topic = freshName('orders');
    await insertTopic(opened.below, { name: topic, shards: 1 });
    await opened.store.subscriptions.put(topic, group, pullConfig(), 'earliest', undefined, 1_000);
  });

  /** Buries these, with everything below offset 10 settled; answers the owner's name for more. */
  async function bury(...letters: NewDeadLetter[]): Promise<{ topic: string; group: string; epoch: number }> {
    const claim = (await claimOne(opened.store.lanes, topic, group, 1_000, freshName('node'), 1_000))!;
    const owner = { topic, group, epoch: claim.subscription.epoch };
    await opened.store.lanes.settle(
      [settlement(owner, { shard: 0, settledOffset: 10 }, { deadLetters: letters })],
      1_000,
    );
    return owner;
  }

  const named = (id: string, offset: number): NewDeadLetter => deadAt(0, offset, { id: `${topic}.${id}` });

  test('are listed with their message, a page at a time', async () => {
    const [message] = refs(1);
    await appendChunk(opened.below, topic, 0, [{ ...message!, tag: 'paid' }], 100);
    const id = `${topic}.a`;
    await bury(deadAt(0, 0, { id, ref: { ...message!, tag: 'paid', keyHash: 'k' } }), named('b', 1), named('c', 2));
    const page = await deadLetters.list({ topic }, undefined, 2);
    expect(page.next).toBe(`${topic}.b`);
    expect(page.items[0]).toEqual({
      id,
      topic,
      group,
      messageId: message!.id,
      shard: 0,
      offset: 0,
      key: `key of ${message!.id}`,
      tag: 'paid',
      attempts: 3,
      error: 'the handler threw',
      firstFailedAt: 100,
      diedAt: 200,
    });
    expect(await deadLetters.list({ topic, group }, page.next!, 2)).toMatchObject({
      items: [{ id: `${topic}.c`, messageId: 'm2' }],
      next: null,
    });
    expect((await deadLetters.list({ topic, group: 'nobody' }, undefined, 2)).items).toEqual([]);
  });

  test('are moved back to the retry store, due at once and counted afresh', async () => {
    await bury(deadAt(0, 3, { id: `${topic}.a`, ref: { id: 'm', tag: 't', keyHash: 'k' } }), named('b', 4));
    const before = await opened.store.now();
    const moved = await deadLetters.redrive({ ids: [`${topic}.a`, 'no-such-id'] }, before, 500);
    expect(moved).toEqual({ count: 1, subscriptions: [{ topic, group }] });
    expect(await opened.store.lanes.dueRetries(topic, group, before, 10)).toEqual([
      { shard: 0, offset: 3, ref: { id: 'm', tag: 't', keyHash: 'k' }, state: 'due', attempt: 0, dueAt: before },
    ]);
    expect((await deadLetters.list({ topic }, undefined, 10)).items.map(({ offset }) => offset)).toEqual([4]);
    const changed = await opened.store.subscriptions.changedSince(before, 500);
    expect(changed.map((subscription) => subscription.topic)).toContain(topic);
    expect(await deadLetters.redrive({ ids: [`${topic}.a`] }, before, 500)).toEqual({ count: 0, subscriptions: [] });
  });

  test('of one subscription are moved or discarded up to a limit', async () => {
    await bury(...[0, 1, 2, 3, 4].map((offset) => named(String(offset), offset)));
    expect((await deadLetters.redrive({ topic, group }, 5_000, 2)).count).toBe(2);
    expect((await deadLetters.discard({ topic, group }, 2)).count).toBe(2);
    expect((await deadLetters.list({ topic }, undefined, 10)).items.map(({ offset }) => offset)).toEqual([4]);
    expect(await deadLetters.discard({ ids: [`${topic}.4`] }, 500)).toEqual({
      count: 1,
      subscriptions: [{ topic, group }],
    });
    expect((await opened.store.lanes.dueRetries(topic, group, 5_000, 10)).map(({ offset }) => offset)).toEqual([0, 1]);
  });

  test('are never in two places: an entry that is there stays, and an offset that is not settled comes by the log', async () => {
    const owner = await bury(named('a', 1), named('b', 2), named('c', 2), named('d', 7));
    const given = retryAt(0, 1, { state: 'given', attempt: 2 });
    await opened.store.lanes.settle(
      [
        settlement(
          owner,
          { shard: 0, settledOffset: 5 },
          {
            cursors: [{ shard: 0, settledOffset: 5, settledAbove: [], given: [] }],
            retriesPut: [given],
          },
        ),
      ],
      1_000,
    );
    expect((await deadLetters.redrive({ topic, group }, 5_000, 500)).count).toBe(4);
    expect(await opened.store.lanes.givenRetries(topic, group, 10)).toEqual([given]);
    expect((await opened.store.lanes.dueRetries(topic, group, 5_000, 10)).map(({ offset }) => offset)).toEqual([2]);
  });

  test('redriven and discarded at once by two nodes go one way each', async () => {
    const ids = Array.from({ length: 40 }, (_, offset) => offset % 10).map((offset, index) =>
      named(`${index}`, offset),
    );
    await bury(...ids);
    const another = await opened.another();
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        index % 2 === 0
          ? deadLetters.redrive({ topic, group }, 5_000, 5)
          : another.deadLetters.discard({ topic, group }, 5),
      ),
    );
    expect(results.map(({ count }) => count)).toEqual(Array(8).fill(5));
    expect((await deadLetters.list({ topic }, undefined, 100)).items).toEqual([]);
  });
});
