import { newId } from '../../../src/message/message-id.js';
import type { MessageStore } from '../../../src/store/message-store.js';
import { describeConformance } from '../databases.js';
import {
  append,
  commit,
  makeTopic,
  message,
  prepared,
  prepareItem,
  rollback,
  send,
  unique,
  valueOf,
} from './half-fixture.js';

describeConformance('LookupStore', (open) => {
  let store: MessageStore;

  beforeAll(async () => {
    ({ store } = await open());
  });

  it('shows a message in every state, with where it lies or when it is due', async () => {
    const topic = await makeTopic(store);
    const half = message(topic, { orderingKey: 'k', tag: 't' });
    const id = await prepared(store, [half, message(topic)]);
    const found = await store.lookup.getMessage(half.id);
    expect(found).toMatchObject({
      state: 'half',
      ref: { id: half.id, tag: 't', keyHash: expect.any(String) as string },
    });
    expect(found!.message).toMatchObject({ transactionId: id, orderingKey: 'k', body: half.body });
    const { placement } = valueOf((await append(store, [commit(id)]))[0]).messages[0]!;
    expect(await store.lookup.getMessage(half.id)).toMatchObject({ state: 'visible', placement });

    const delayed = message(topic, { delayMs: 50 });
    await append(store, [commit(await prepared(store, [delayed]))], 1_000);
    expect(await store.lookup.getMessage(delayed.id)).toMatchObject({ state: 'scheduled', deliverAt: 1_050 });

    const parked = message(topic);
    const parkedId = await prepared(store, [parked]);
    const check = await store.checks.claimOne(parkedId, 2_000, 1_000);
    const attempt = { attempt: 1, at: 2_000, outcome: 'unknown', latencyMs: 1 } as const;
    await store.checks.record(check!, attempt, { park: true }, 10);
    expect(await store.lookup.getMessage(parked.id)).toMatchObject({ state: 'parked' });

    const gone = message(topic);
    await append(store, [rollback(await prepared(store, [gone]))]);
    expect((await store.lookup.getMessage(gone.id))!.state).toBe('rolled_back');
    expect(await store.lookup.getMessage(unique('none'))).toBeNull();
    expect(await store.lookup.getTransaction(unique('none'), true)).toBeNull();
  });

  it('lists transactions by state, producer and topic, page by page', async () => {
    const [topic, other] = [await makeTopic(store), await makeTopic(store)];
    const producer = unique('producer');
    const items = Array.from({ length: 7 }, (_, index) =>
      // A tag that reads like the topic must not be taken for it.
      prepareItem([message(index % 2 ? other : topic, { tag: topic })], { producer, transactionId: newId() }),
    ).toSorted((a, b) => (a.transactionId < b.transactionId ? -1 : 1));
    await store.half.prepare(items, 1_000);
    const ids = items.map(({ transactionId }) => transactionId);
    await append(store, [commit(ids[0]!), rollback(ids[1]!)]);
    const pages: string[][] = [];
    let after: string | undefined;
    do {
      const page = await store.lookup.listTransactions({ producer }, after, 3);
      pages.push(page.items.map(({ id }) => id));
      after = page.next ?? undefined;
    } while (after !== undefined);
    expect(pages).toEqual([ids.slice(0, 3), ids.slice(3, 6), ids.slice(6)]);
    const listed = async (filter: Parameters<typeof store.lookup.listTransactions>[0]) =>
      (await store.lookup.listTransactions(filter, undefined, 100)).items.map(({ id }) => id);
    expect(await listed({ producer, state: 'committed' })).toEqual([ids[0]]);
    expect(await listed({ producer, state: 'prepared' })).toEqual(ids.slice(2));
    const ofTopic = items
      .filter(({ messages }) => messages[0]!.topic === topic)
      .map(({ transactionId }) => transactionId);
    expect(await listed({ topic })).toEqual(ofTopic);
    const first = await store.lookup.listTransactions({ topic }, undefined, 2);
    expect(first.items.map(({ id }) => id)).toEqual(ofTopic.slice(0, 2));
    expect((await store.lookup.listTransactions({ topic }, first.next!, 2)).items.map(({ id }) => id)).toEqual(
      ofTopic.slice(2, 4),
    );
    expect(await listed({ topic: topic.replace('-', '_') })).toEqual([]);
  });

  it('lists messages of a key byte by byte, by time, page by page', async () => {
    const topic = await makeTopic(store);
    const keys = ['a', 'A', 'a ', 'á', 'a\u0301', ' a'];
    const byKey = new Map(keys.map((key) => [key, message(topic, { key })]));
    await append(store, [send(...byKey.values())]);
    for (const [key, { id }] of byKey) {
      const { items } = await store.lookup.listMessages({ topic, key }, undefined, 10);
      expect(items.map((view) => view.message.id)).toEqual([id]);
      expect(items[0]!.message.key).toBe(key);
    }
    const key = unique('key');
    const timed = [3_000, 1_000, 2_000, 2_000, 2_000];
    const ids: string[] = [];
    for (const at of timed) {
      const half = message(topic, { key });
      ids.push(half.id);
      await prepared(store, [half], at);
    }
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = await store.lookup.listMessages({ topic, key }, after, 2);
      seen.push(...page.items.map((view) => view.message.id));
      expect(page.items.every(({ state }) => state === 'half')).toBe(true);
      after = page.next ?? undefined;
    } while (after !== undefined);
    expect(seen).toEqual([ids[1], ...[ids[2]!, ids[3]!, ids[4]!].toSorted(), ids[0]]);
    const between = await store.lookup.listMessages({ topic, key, from: 1_001, to: 3_000 }, undefined, 10);
    expect(between.items).toHaveLength(3);
    await expect(store.lookup.listMessages({ topic, key }, 'nonsense', 2)).rejects.toMatchObject({
      slug: 'validation-failed',
    });
  });

  it('counts open transactions up to a bound', async () => {
    const { store: empty } = await open();
    const topic = await makeTopic(empty);
    expect(await empty.lookup.countOpen(10)).toEqual({ prepared: 0, parked: 0 });
    await empty.half.prepare(
      Array.from({ length: 5 }, () => prepareItem([message(topic)])),
      1_000,
    );
    expect(await empty.lookup.countOpen(10)).toEqual({ prepared: 5, parked: 0 });
    expect(await empty.lookup.countOpen(3)).toEqual({ prepared: 3, parked: 0 });
  });
});
