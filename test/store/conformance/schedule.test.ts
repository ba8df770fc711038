import type { MessageStore } from '../../../src/store/message-store.js';
import { describeConformance, sqlTest, type ConformingStore } from '../databases.js';
import {
  append,
  commit,
  endings,
  makeTopic,
  message,
  prepared,
  readWholeLog,
  rollback,
  send,
  settleAll,
  unique,
  valueOf,
} from './half-fixture.js';

describeConformance('ScheduleStore', (open, kind) => {
  let opened: ConformingStore;
  let store: MessageStore;
  let topic: string;

  beforeAll(async () => {
    opened = await open();
    store = opened.store;
  });

  beforeEach(async () => {
    await settleAll(store);
    topic = await makeTopic(store);
  });

  it('counts the delay of a half message from its commit, and a delivery time as it is', async () => {
    const messages = [
      message(topic, { delayMs: 5_000 }),
      message(topic, { deliverAt: 9_000 }),
      message(topic, { deliverAt: 500 }),
      message(topic, { delayMs: 0 }),
    ];
    const id = await prepared(store, messages, 1_000);
    expect(await store.schedule.nextDueAt()).toBeNull();
    const result = valueOf((await append(store, [commit(id)], 3_000))[0]);
    expect(result.messages.map(({ deliverAt, placement }) => deliverAt ?? placement?.offset)).toEqual([
      8_000, 9_000, 0, 1,
    ]);
    expect(await store.schedule.nextDueAt()).toBe(8_000);
    expect(await store.schedule.appendDue(7_999, 10)).toEqual([]);
    const chunks = await store.schedule.appendDue(8_000, 10);
    expect(chunks.map(({ refs }) => refs.map((ref) => ref.id))).toEqual([[messages[0]!.id]]);
    expect(await store.schedule.nextDueAt()).toBe(9_000);
    const view = (await store.lookup.getTransaction(id, false))!;
    expect(view.messages.map(({ deliverAt, placement }) => [deliverAt !== undefined, placement !== undefined])).toEqual(
      [
        [true, true],
        [true, false],
        [false, true],
        [false, true],
      ],
    );
    expect(endings(await append(store, [commit(id)], 99_000))).toEqual(['repeated']);
  });

  it('appends what is due once, oldest first, and knows where it lies', async () => {
    const sent = [30, 10, 20].map((delayMs) => message(topic, { delayMs, orderingKey: 'k', tag: 't' }));
    valueOf((await append(store, [send(...sent)], 1_000))[0]);
    expect(await store.lookup.getMessage(sent[0]!.id)).toMatchObject({ state: 'scheduled', deliverAt: 1_030 });
    const [chunk] = await store.schedule.appendDue(5_000, 2);
    expect(chunk!.refs.map(({ id }) => id)).toEqual([sent[1]!.id, sent[2]!.id]);
    expect(chunk).toMatchObject({ topic, firstOffset: 0, appendedAt: 5_000 });
    expect(await store.lanes.readLog(topic, chunk!.shard, 0, 10)).toEqual([chunk]);
    await store.schedule.appendDue(5_000, 2);
    expect(await store.schedule.appendDue(5_000, 2)).toEqual([]);
    expect((await readWholeLog(store, topic)).map(({ id }) => id)).toEqual([1, 2, 0].map((index) => sent[index]!.id));
    expect(await store.lookup.getMessage(sent[0]!.id)).toMatchObject({
      state: 'visible',
      placement: { shard: chunk!.shard, offset: 2 },
    });
    expect(endings(await append(store, [send(...sent.map((given) => ({ ...given, idGiven: true })))]))).toEqual([
      'repeated',
    ]);
  });

  it('appends each message once when several nodes do it at the same time', async () => {
    const sent = Array.from({ length: 120 }, (_, index) => message(topic, { delayMs: 1 + (index % 7) }));
    await append(store, [send(...sent)], 1_000);
    const nodes = [store, await opened.another(), await opened.another()];
    const appendAll = async (node: MessageStore) => {
      while ((await node.schedule.nextDueAt()) !== null) await node.schedule.appendDue(9_000, 9);
    };
    await Promise.all(nodes.map(appendAll));
    const log = (await readWholeLog(store, topic)).map(({ id }) => id);
    expect(log.toSorted()).toEqual(sent.map(({ id }) => id).toSorted());
  });

  it('recalls before the time, answers a repeat alike, and never delivers it', async () => {
    const sent = message(topic, { delayMs: 5_000 });
    const half = message(topic, { delayMs: 5_000 });
    await append(store, [send(sent)], 1_000);
    const id = await prepared(store, [half], 1_000);
    expect(await store.schedule.recall(half.id, 1_500)).toBe('not-recallable');
    await append(store, [commit(id)], 1_000);
    for (const { id: messageId } of [sent, half]) {
      expect(await store.schedule.recall(messageId, 5_999)).toBe('recalled');
      expect(await store.schedule.recall(messageId, 50_000)).toBe('recalled');
      expect(await store.lookup.getMessage(messageId)).toMatchObject({ state: 'recalled' });
    }
    expect(await store.schedule.appendDue(50_000, 10)).toEqual([]);
    expect(endings(await append(store, [send({ ...sent, idGiven: true, key: 'new' })]))).toEqual(['id-reused']);
  });

  it('refuses to recall what is due, visible, rolled back or unknown', async () => {
    const due = message(topic, { delayMs: 1_000 });
    const visible = message(topic);
    const rolledBack = message(topic, { delayMs: 1_000 });
    await append(store, [send(due, visible), rollback(await prepared(store, [rolledBack]))], 1_000);
    expect(await store.schedule.recall(due.id, 2_000)).toBe('not-recallable');
    await store.schedule.appendDue(2_000, 10);
    expect(await store.schedule.recall(due.id, 1_500)).toBe('not-recallable');
    expect(await store.schedule.recall(visible.id, 1_500)).toBe('not-recallable');
    expect(await store.schedule.recall(rolledBack.id, 1_500)).toBe('not-recallable');
    expect(await store.schedule.recall(unique('none'), 1_500)).toBe('message-not-found');
  });

  it('either recalls or appends when both happen at once', async () => {
    const sent = Array.from({ length: 40 }, () => message(topic, { delayMs: 1_000 }));
    await append(store, [send(...sent)], 1_000);
    const other = await opened.another();
    const [recalls] = await Promise.all([
      // This node's clock is behind, so that it still thinks the messages are not due.
      Promise.all(sent.map(({ id }) => other.schedule.recall(id, 1_999))),
      (async () => {
        while ((await store.schedule.nextDueAt()) !== null) await store.schedule.appendDue(2_000, 5);
      })(),
    ]);
    const log = new Set((await readWholeLog(store, topic)).map(({ id }) => id));
    expect(sent.map(({ id }) => log.has(id))).toEqual(recalls.map((answer) => answer === 'not-recallable'));
  });

  it('recalls a message whose id was recalled in a topic that was deleted since', async () => {
    const first = message(topic, { delayMs: 5_000, id: unique('recalled') });
    await append(store, [send(first)], 1_000);
    expect(await store.schedule.recall(first.id, 2_000)).toBe('recalled');
    await store.catalog.deleteTopic(topic, false);
    const again = message(await makeTopic(store), { delayMs: 5_000, id: first.id });
    expect(endings(await append(store, [send(again)], 3_000))).toEqual(['ok']);
    expect(await store.schedule.recall(again.id, 4_000)).toBe('recalled');
    expect(await store.schedule.appendDue(8_000, 10)).toEqual([]);
  });

  sqlTest(kind)('leaves nothing of delayed messages whose topic was deleted, whoever meets them first', async () => {
    const half = message(topic, { delayMs: 1_000 });
    await append(store, [commit(await prepared(store, [half]))], 1_000);
    // The node that deletes the topic stops after the first step.
    await opened.database.transaction((session) =>
      session.finish(
        { sql: 'INSERT INTO halfbox_removed_topic (name, removed_at) VALUES (?, 1)', params: [topic] },
        { sql: 'DELETE FROM halfbox_topic WHERE name = ?', params: [topic] },
        { sql: 'DELETE FROM halfbox_shard WHERE topic = ?', params: [topic] },
      ),
    );
    expect(await store.schedule.appendDue(2_000, 10)).toEqual([]);
    await store.catalog.deleteTopic(topic, true);
    expect(await store.lookup.getMessage(half.id)).toBeNull();
  });
});
