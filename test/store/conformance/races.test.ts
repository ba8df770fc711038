import { newId } from '../../../src/message/message-id.js';
import type { AppendItem } from '../../../src/store/half-store.js';
import type { MessageStore } from '../../../src/store/message-store.js';
import { describeConformance, type ConformingStore } from '../databases.js';
import {
  append,
  commit,
  dayMs,
  endings,
  makeTopic,
  message,
  prepared,
  prepareItem,
  readWholeLog,
  rollback,
  send,
  unique,
  unwritable,
  valueOf,
} from './half-fixture.js';

/** Work of several nodes at once, each with connections of its own (SQLite belongs to one process: there they share it). */
describeConformance('Races in the half store', (open, kind) => {
  let opened: ConformingStore;
  let store: MessageStore;
  let nodes: MessageStore[];

  beforeAll(async () => {
    opened = await open();
    store = opened.store;
    nodes = [store, ...(await Promise.all([1, 2, 3].map(() => opened.another())))];
  });

  const nodeOf = (index: number) => nodes[index % nodes.length]!;

  it('lets exactly one of 50 concurrent commits and rollbacks win', async () => {
    for (let round = 0; round < 5; round += 1) {
      const topic = await makeTopic(store);
      const given = message(topic);
      const id = await prepared(store, [given]);
      const calls = Array.from({ length: 50 }, (_, index) => (index % 2 ? commit(id) : rollback(id)));
      const outcomes = await Promise.all(calls.map((item, index) => append(nodeOf(index), [item])));
      const ended = endings(outcomes.flat());
      expect(ended.filter((ending) => ending === 'ok')).toHaveLength(1);
      const { state } = (await store.lookup.getTransaction(id, false))!;
      const winner = calls[ended.indexOf('ok')]!.kind;
      expect(state).toBe(winner === 'commit' ? 'committed' : 'rolled_back');
      calls.forEach(({ kind }, index) => {
        if (kind === winner) expect(['ok', 'repeated']).toContain(ended[index]);
        else expect(ended[index]).toMatch(/^transaction-already-/);
      });
      const log = await readWholeLog(store, topic);
      expect(log.map((entry) => entry.id)).toEqual(winner === 'commit' ? [given.id] : []);
    }
  });

  it('resolves many transactions once when batches of several nodes overlap in other orders', async () => {
    const topic = await makeTopic(store);
    const items = Array.from({ length: 60 }, () => prepareItem([message(topic)]));
    await store.half.prepare(items, 1_000);
    const ids = items.map(({ transactionId }) => transactionId);
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, index) => {
        const order = index % 2 ? ids : ids.toReversed();
        return append(nodeOf(index), order.map(index % 3 === 2 ? rollback : commit));
      }),
    );
    expect(outcomes.flat().filter(({ value }) => value?.repeated === false)).toHaveLength(60);
    const { items: committed } = await store.lookup.listTransactions({ topic, state: 'committed' }, undefined, 500);
    const log = (await readWholeLog(store, topic)).map((entry) => entry.id);
    expect(log.toSorted()).toEqual(committed.map(({ messages }) => messages[0]!.id).toSorted());
  });

  it('delivers one id once that is sent through all nodes at once, alone and in batches', async () => {
    const topic = await makeTopic(store);
    for (let round = 0; round < 8; round += 1) {
      const given = message(topic, { id: unique('m') });
      const outcomes = await Promise.all(
        Array.from({ length: 12 }, (_, index) => {
          const items: AppendItem[] = [send(message(topic)), send(given), send(message(topic))];
          return append(nodeOf(index), index % 2 ? items : [send(given), ...items]);
        }),
      );
      expect(endings(outcomes.flat()).every((ending) => ending === 'ok' || ending === 'repeated')).toBe(true);
      const answers = outcomes.flat().map((outcome) => valueOf(outcome).messages[0]!);
      const placements = answers.filter(({ id }) => id === given.id).map(({ placement }) => placement);
      expect(new Set(placements.map((placement) => JSON.stringify(placement))).size).toBe(1);
      const log = await readWholeLog(store, topic);
      expect(log.filter(({ id }) => id === given.id)).toHaveLength(1);
    }
    expect(await readWholeLog(store, topic)).toHaveLength(8 * (12 * 2 + 1));
  });

  it('stores one transaction once that is prepared through all nodes at once', async () => {
    const topic = await makeTopic(store);
    for (let round = 0; round < 8; round += 1) {
      const item = prepareItem([message(topic), message(topic)]);
      const outcomes = await Promise.all(
        Array.from({ length: 12 }, (_, index) => {
          // Where no id was given, every caller's message has an id of its own.
          const messages = item.messages.map((given) => ({ ...given, id: newId() }));
          const fresh = prepareItem([message(topic)]);
          return nodeOf(index).half.prepare(
            index % 2 ? [{ ...item, messages }, fresh] : [fresh, { ...item, messages }],
            1_000,
          );
        }),
      );
      const ended = endings(outcomes.flat());
      expect(ended.filter((ending) => ending === 'repeated')).toHaveLength(11);
      expect(ended.filter((ending) => ending === 'ok')).toHaveLength(13);
      const ids = outcomes.flat().flatMap(({ value }) => (value!.id === item.transactionId ? [value!.messages] : []));
      expect(new Set(ids.map((answer) => JSON.stringify(answer))).size).toBe(1);
    }
  });

  it('stores one transaction once through all nodes beside one that cannot be written', async () => {
    const topic = await makeTopic(store);
    for (let round = 0; round < 8; round += 1) {
      const item = prepareItem([message(topic)]);
      const outcomes = await Promise.all(
        nodes.map((node) => node.half.prepare([item, prepareItem([message(topic, unwritable(kind))])], 1_000)),
      );
      const ended = endings(outcomes.map(([first]) => first!));
      expect(ended.toSorted()).toEqual(['ok', 'repeated', 'repeated', 'repeated']);
      expect(endings(outcomes.map(([, second]) => second!))).toEqual(Array<string>(4).fill('internal'));
    }
  });

  it('gives one message id to one of several transactions that want it at once', async () => {
    const topic = await makeTopic(store);
    const given = message(topic, { id: unique('m') });
    const outcomes = await Promise.all([
      ...Array.from({ length: 6 }, (_, index) => nodeOf(index).half.prepare([prepareItem([given])], 1_000)),
      ...Array.from({ length: 6 }, (_, index) =>
        append(nodeOf(index), [send({ ...given, body: { json: `${index}` } })]),
      ),
    ]);
    const ended = endings(outcomes.flat());
    expect(ended.filter((ending) => ending === 'ok')).toHaveLength(1);
    expect(ended.filter((ending) => ending === 'id-reused')).toHaveLength(11);
  });

  it('lets a reader see every shard grow without gaps while 8 writers append', async () => {
    const topic = await makeTopic(store);
    let writing = true;
    const written: string[] = [];
    const write = async (writer: number) => {
      for (let batch = 0; batch < 25; batch += 1) {
        const items = Array.from({ length: 6 }, (_, index) =>
          send(message(topic, index % 2 ? { orderingKey: `key ${index}` } : {})),
        );
        const half = message(topic);
        items.push(commit(await prepared(nodeOf(writer), [half])) as (typeof items)[number]);
        const { outcomes } = await nodeOf(writer).half.append(items, { now: Date.now }, dayMs);
        written.push(...outcomes.flatMap((outcome) => valueOf(outcome).messages.map(({ id }) => id)));
      }
    };
    const read = async () => {
      const next = [0, 0, 0, 0];
      const seen: string[] = [];
      let times = [0, 0, 0, 0];
      for (;;) {
        const last = !writing;
        for (const shard of next.keys()) {
          for (const chunk of await nodeOf(1).lanes.readLog(topic, shard, next[shard]!, 10_000)) {
            if (chunk.firstOffset !== next[shard]) throw new Error(`a gap at ${next[shard]}: ${chunk.firstOffset}`);
            if (chunk.appendedAt < times[shard]!) throw new Error('time went back');
            times = times.with(shard, chunk.appendedAt);
            next[shard] = chunk.firstOffset + chunk.refs.length;
            seen.push(...chunk.refs.map(({ id }) => id));
          }
        }
        if (last) return seen;
      }
    };
    const writers = Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer))).finally(
      () => (writing = false),
    );
    const [seen] = await Promise.all([read(), writers]);
    expect(seen.toSorted()).toEqual(written.toSorted());
    expect(seen).toHaveLength(8 * 25 * 7);
  });
});
