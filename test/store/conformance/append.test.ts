import { orderingKeyHash, shardOfKeyHash } from '../../../src/message/ordering-key.js';
import type { MessageStore } from '../../../src/store/message-store.js';
import { describeConformance, sqlTest, type ConformingStore } from '../databases.js';
import {
  append,
  commit,
  dayMs,
  endings,
  makeTopic,
  message,
  prepared,
  readWholeLog,
  rollback,
  send,
  unique,
  unwritable,
  valueOf,
} from './half-fixture.js';

describeConformance('HalfStore.append', (open, kind) => {
  let store: MessageStore;
  let opened: ConformingStore;
  let statementBytesMax: number;

  beforeAll(async () => {
    opened = await open();
    ({ store } = opened);
    statementBytesMax = store.batchBytesMax;
  });

  it('commits: every message is in the log once, where the answer says', async () => {
    const topic = await makeTopic(store);
    const other = await makeTopic(store);
    const messages = [message(topic), message(other, { tag: 'a', orderingKey: 'k' }), message(topic)];
    const id = await prepared(store, messages);
    const { outcomes, chunks } = await store.half.append([commit(id)], { now: () => 2_000 }, dayMs);
    const result = valueOf(outcomes[0]);
    expect(result.transaction).toEqual({ id, state: 'committed', resolvedBy: 'client', resolvedAt: 2_000 });
    expect(result.repeated).toBe(false);
    expect(result.messages.map((found) => found.id)).toEqual(messages.map((given) => given.id));
    const log = [...(await readWholeLog(store, topic)), ...(await readWholeLog(store, other))];
    expect(log.toSorted(byId)).toEqual(
      result.messages.map((found) => ({ id: found.id, ...found.placement })).toSorted(byId),
    );
    const keyHash = orderingKeyHash('k');
    expect(result.messages[1]!.placement!.shard).toBe(shardOfKeyHash(keyHash, 4));
    expect(chunks).toHaveLength(2);
    for (const chunk of chunks) {
      expect(await store.lanes.readLog(chunk.topic, chunk.shard, chunk.firstOffset, 10)).toEqual([chunk]);
    }
    expect(chunks.flatMap(({ refs }) => refs).find((ref) => ref.id === messages[1]!.id)).toEqual({
      id: messages[1]!.id,
      tag: 'a',
      keyHash,
    });
  });

  it('rolls back: nothing is appended, and the messages stay for retention', async () => {
    const topic = await makeTopic(store);
    const half = message(topic);
    const id = await prepared(store, [half]);
    const result = valueOf((await append(store, [rollback(id)], 3_000))[0]);
    expect(result).toEqual({
      transaction: { id, state: 'rolled_back', resolvedBy: 'client', resolvedAt: 3_000 },
      messages: [{ id: half.id, topic }],
      repeated: false,
    });
    expect(await readWholeLog(store, topic)).toEqual([]);
    expect(await store.lookup.getMessage(half.id)).toMatchObject({ state: 'rolled_back' });
  });

  it('answers a lost answer again like the first time, and the opposite with 409', async () => {
    const topic = await makeTopic(store);
    const committed = await prepared(store, [message(topic), message(topic, { delayMs: 60_000 })]);
    const rolledBack = await prepared(store, [message(topic)]);
    const first = await append(store, [commit(committed), rollback(rolledBack)], 2_000);
    const again = await append(store, [commit(committed), rollback(rolledBack)], 9_000);
    expect(again.map((outcome) => valueOf(outcome))).toEqual(
      first.map((outcome) => ({ ...valueOf(outcome), repeated: true })),
    );
    expect(endings(await append(store, [rollback(committed), commit(rolledBack), commit(unique('none'))]))).toEqual([
      'transaction-already-committed',
      'transaction-already-rolled-back',
      'transaction-not-found',
    ]);
    expect(await readWholeLog(store, topic)).toHaveLength(1);
  });

  it('answers two items of one transaction in their order', async () => {
    const topic = await makeTopic(store);
    const [a, b] = [await prepared(store, [message(topic)]), await prepared(store, [message(topic)])];
    const items = [commit(a), rollback(b), rollback(a), commit(a), commit(b), rollback(b)];
    const outcomes = await append(store, items);
    expect(endings(outcomes)).toEqual([
      'ok',
      'ok',
      'transaction-already-committed',
      'repeated',
      'transaction-already-rolled-back',
      'repeated',
    ]);
    expect(outcomes[3]!.value!.messages).toEqual(outcomes[0]!.value!.messages);
  });

  it('stores who resolved and why', async () => {
    const topic = await makeTopic(store);
    const id = await prepared(store, [message(topic)]);
    await append(store, [{ kind: 'rollback', transactionId: id, by: 'operator', reason: "it's 'wrong' \\ ü" }], 4_000);
    expect(await store.lookup.getTransaction(id, false)).toMatchObject({
      state: 'rolled_back',
      resolvedBy: 'operator',
      resolvedAt: 4_000,
      reason: "it's 'wrong' \\ ü",
    });
  });

  it('sends: visible at once, in array order, one chunk for the messages without an ordering key', async () => {
    const topic = await makeTopic(store);
    const keyed = Array.from({ length: 10 }, () => message(topic, { orderingKey: 'k' }));
    const plain = Array.from({ length: 10 }, () => message(topic));
    const mixed = keyed.flatMap((given, index) => [given, plain[index]!]);
    const { outcomes, chunks } = await store.half.append(
      [send(...mixed.slice(0, 7)), send(...mixed.slice(7))],
      { now: () => 5_000 },
      dayMs,
    );
    expect(endings(outcomes)).toEqual(['ok', 'ok']);
    expect(chunks.length).toBeLessThanOrEqual(2);
    const log = await readWholeLog(store, topic);
    expect(log).toHaveLength(20);
    const offsets = new Map(log.map(({ id, offset }) => [id, offset]));
    const keyedOffsets = keyed.map(({ id }) => offsets.get(id)!);
    expect(keyedOffsets).toEqual(keyedOffsets.toSorted((a, b) => a - b));
    for (const outcome of outcomes) {
      for (const { id, placement } of valueOf(outcome).messages) {
        expect(await store.lookup.getMessage(id)).toMatchObject({ state: 'visible', placement });
      }
    }
  });

  it('spreads batches over the shards of a topic', async () => {
    const topic = await makeTopic(store);
    for (let batch = 0; batch < 4; batch += 1) await append(store, [send(message(topic), message(topic))]);
    expect((await store.lanes.heads([topic])).map(({ nextOffset }) => nextOffset)).toEqual([2, 2, 2, 2]);
  });

  it('splits what one batch appends to a shard into bounded chunks', async () => {
    const topic = await makeTopic(store, 1);
    const messages = Array.from({ length: 2_300 }, () => message(topic));
    const { chunks } = await store.half.append(
      [send(...messages.slice(0, 1_000)), send(...messages.slice(1_000, 2_000)), send(...messages.slice(2_000))],
      { now: () => 1_000 },
      dayMs,
    );
    expect(chunks.map(({ firstOffset, refs }) => [firstOffset, refs.length])).toEqual([
      [0, 1_000],
      [1_000, 1_000],
      [2_000, 300],
    ]);
    expect((await readWholeLog(store, topic)).map(({ id }) => id)).toEqual(messages.map(({ id }) => id));
  });

  it('answers a message that was sent before as stored, and appends only what is new', async () => {
    const topic = await makeTopic(store);
    const old = message(topic, { id: unique('m') });
    const delayed = message(topic, { id: unique('m'), delayMs: 60_000 });
    const first = valueOf((await append(store, [send(old, delayed)], 1_000))[0]);
    expect(first.messages[1]).toEqual({ id: delayed.id, topic, deliverAt: 61_000 });
    const fresh = message(topic);
    const outcomes = await append(store, [send(old, delayed), send(fresh, old), send(message(topic))], 7_000);
    expect(endings(outcomes)).toEqual(['repeated', 'ok', 'ok']);
    expect(valueOf(outcomes[0]).messages).toEqual(first.messages);
    expect(valueOf(outcomes[1]).messages[1]).toEqual(first.messages[0]);
    expect(await readWholeLog(store, topic)).toHaveLength(3);
  });

  it('refuses an id with other content, or of a transaction, for that item alone', async () => {
    const topic = await makeTopic(store);
    const sent = message(topic, { id: unique('m') });
    const half = message(topic, { id: unique('m') });
    await append(store, [send(sent)]);
    await prepared(store, [half]);
    const changed = { ...sent, body: { json: '"other"' } };
    const left = message(topic);
    const outcomes = await append(store, [send(left, changed), send(half), send(message(topic)), send(sent)]);
    expect(endings(outcomes)).toEqual(['id-reused', 'id-reused', 'ok', 'repeated']);
    expect(await store.lookup.getMessage(left.id)).toBeNull();
    expect(await readWholeLog(store, topic)).toHaveLength(2);
  });

  it('answers one id that is sent twice in a batch from the first', async () => {
    const topic = await makeTopic(store);
    const given = message(topic, { id: unique('m') });
    const items = [send(given), send(message(topic), given), send({ ...given, key: 'other' }), send(given)];
    const outcomes = await append(store, items);
    expect(endings(outcomes)).toEqual(['ok', 'ok', 'id-reused', 'repeated']);
    expect(valueOf(outcomes[3]).messages).toEqual(valueOf(outcomes[0]).messages);
    expect(await readWholeLog(store, topic)).toHaveLength(2);
  });

  it('refuses an unknown topic for that item alone, at every place, and leaves its transaction open', async () => {
    const topic = await makeTopic(store);
    for (const index of [0, 2, 4]) {
      const ids = await Promise.all([0, 1, 2, 3].map(() => prepared(store, [message(topic)])));
      const lost = await prepared(store, [message(topic), message(unique('no-topic'))]);
      const items = ids.map(commit);
      items.splice(index, 0, commit(lost));
      items.push(send(message(unique('no-topic'))), send(message(unique('no-topic'), { delayMs: 9_000 })));
      const outcomes = endings(await append(store, items));
      expect(outcomes.filter((ending) => ending === 'ok')).toHaveLength(4);
      expect([outcomes[index], outcomes[5], outcomes[6]]).toEqual(Array(3).fill('topic-not-found'));
      expect((await store.lookup.getTransaction(lost, false))!.state).toBe('prepared');
      expect(endings(await append(store, [commit(lost), rollback(lost)]))).toEqual(['topic-not-found', 'ok']);
    }
    expect(await readWholeLog(store, topic)).toHaveLength(12);
  });

  it('fails an item that cannot be written alone, at every place', async () => {
    const topic = await makeTopic(store);
    for (const index of [0, 2, 4]) {
      const items = [0, 1, 2, 3].map(() => send(message(topic)));
      items.splice(index, 0, send(message(topic), message(topic, unwritable(kind))));
      const outcomes = endings(await append(store, items));
      expect(outcomes).toEqual(items.map((_, at) => (at === index ? 'internal' : 'ok')));
    }
    expect(await readWholeLog(store, topic)).toHaveLength(12);
  });

  it('stores a batch at its bound, however much its rows hold beside their bodies', async () => {
    const topic = await makeTopic(store);
    const count = 1_900;
    const long = {
      key: '\u{1f600}'.repeat(128),
      orderingKey: '\u{1f600}'.repeat(128),
      tag: '\u{1f600}'.repeat(64),
      contentType: "'".repeat(255),
      body: { bytes: Buffer.alloc(Math.floor(Math.min(statementBytesMax, 8 << 20) / count) - 256, 7) },
    };
    const items = [send(...Array.from({ length: count }, () => message(topic, long)))];
    expect(endings(await append(store, items))).toEqual(['ok']);
    const largest = { bytes: Buffer.alloc(Math.min(statementBytesMax, 8 << 20), 7) };
    expect(endings(await append(store, [send(message(topic, { ...long, body: largest }))]))).toEqual(['ok']);
  });

  it('keeps a NUL in a text', async () => {
    const topic = await makeTopic(store);
    const fields = { id: unique('nul'), key: 'a\0b', orderingKey: '\0', tag: 'a\0b', headers: { 'x\0y': '\0' } };
    const sent = message(topic, fields);
    expect(endings(await append(store, [send(sent)]))).toEqual(['ok']);
    expect((await store.lookup.getMessage(sent.id))!.message).toMatchObject(fields);
    expect(endings(await append(store, [send(sent)]))).toEqual(['repeated']);
    expect((await store.lookup.listMessages({ topic, key: 'a\0b' }, undefined, 10)).items).toHaveLength(1);
    expect((await store.lookup.listMessages({ topic, key: 'a' }, undefined, 10)).items).toEqual([]);
  });

  it('refuses each of many topics that were deleted since for its own items alone', async () => {
    const topics = await Promise.all(Array.from({ length: 6 }, () => makeTopic(store)));
    const items = () => topics.map((topic) => send(message(topic)));
    await append(store, items());
    for (const topic of topics.slice(1)) await store.catalog.deleteTopic(topic, true);
    expect(endings(await append(store, items()))).toEqual(['ok', ...Array<string>(5).fill('topic-not-found')]);
  });

  it('sees at once that a topic was deleted and made anew with other shards', async () => {
    const topic = await makeTopic(store, 8);
    await append(store, [send(message(topic, { orderingKey: 'k' }))]);
    await store.catalog.deleteTopic(topic, true);
    expect(endings(await append(store, [send(message(topic))]))).toEqual(['topic-not-found']);
    await store.catalog.putTopic({ name: topic, shards: 3, retentionMs: dayMs, bodyBytesMax: 1_000, createdAt: 1 });
    const outcomes = await append(store, [send(message(topic, { orderingKey: 'k' }), message(topic))]);
    expect(valueOf(outcomes[0]).messages[0]!.placement).toEqual({
      shard: shardOfKeyHash(orderingKeyHash('k'), 3),
      offset: 0,
    });
  });

  it('never lets the time of a chunk go back', async () => {
    const topic = await makeTopic(store, 1);
    await append(store, [send(message(topic))], 9_000);
    await append(store, [send(message(topic))], 4_000);
    await append(store, [send(message(topic))], 9_500);
    const chunks = await store.lanes.readLog(topic, 0, 0, 10);
    expect(chunks.map(({ appendedAt }) => appendedAt)).toEqual([9_000, 9_000, 9_500]);
  });

  sqlTest(kind)('gives a batch that waited for a shard the time at which it got it', async () => {
    const topic = await makeTopic(store, 1);
    let locked!: () => void;
    let release!: () => void;
    const holds = new Promise<void>((resolve) => (locked = resolve));
    const released = new Promise<void>((resolve) => (release = resolve));
    const { database } = opened;
    const holder = database.transaction(async (session) => {
      const sql = `SELECT shard FROM halfbox_shard WHERE topic = ?${database.dialect.forUpdate}`;
      await session.run({ sql, params: [topic] });
      locked();
      await released;
    });
    await holds;
    let time = 2_000;
    const waiting = store.half.append([send(message(topic))], { now: () => time }, dayMs);
    time = 9_000;
    release();
    await holder;
    const { chunks } = await waiting;
    expect(chunks.map(({ appendedAt }) => appendedAt)).toEqual([9_000]);
    const [stored] = await store.lanes.readLog(topic, 0, 0, 10);
    expect(stored?.appendedAt).toBe(9_000);
  });

  it('does nothing for an empty batch', async () => {
    expect(await store.half.append([], { now: () => 1_000 }, dayMs)).toEqual({ outcomes: [], chunks: [] });
  });
});

function byId(a: { id: string }, b: { id: string }): number {
  return a.id < b.id ? -1 : 1;
}
