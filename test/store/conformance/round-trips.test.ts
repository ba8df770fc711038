import type { SqlDatabase, SqlSession } from '../../../src/store/sql/database.js';
import { SqlMessageStore } from '../../../src/store/sql/sql-message-store.js';
import { describeEachStore, type TestStore } from '../databases.js';
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
  valueOf,
} from './half-fixture.js';

/** The same database; `trips` counts the round trips of its transactions. */
function counting(database: SqlDatabase): { database: SqlDatabase; trips: { count: number } } {
  const trips = { count: 0 };
  const counted = (session: SqlSession): SqlSession => ({
    run(...statements) {
      trips.count += 1;
      return session.run(...statements);
    },
    finish(...statements) {
      trips.count += 1;
      return session.finish(...statements);
    },
  });
  const transaction: SqlDatabase['transaction'] = (work) => database.transaction((session) => work(counted(session)));
  const proxy = new Proxy(database, {
    get: (target, name) => {
      const value: unknown = name === 'transaction' ? transaction : Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { database: proxy, trips };
}

describeEachStore('Round trips of an append', (open) => {
  let opened: TestStore;
  let node: SqlMessageStore;
  let other: SqlMessageStore;
  let trips: { count: number };
  let topic: string;

  beforeAll(async () => {
    opened = await open();
    other = new SqlMessageStore(opened.database);
    const wrapped = counting(opened.database);
    trips = wrapped.trips;
    node = new SqlMessageStore(wrapped.database);
    topic = await makeTopic(node);
    // The number of the topic's shards is read once.
    await append(node, [send(message(topic))]);
  });

  const tripsOf = async (work: () => Promise<unknown>): Promise<number> => {
    trips.count = 0;
    await work();
    return trips.count;
  };

  it('two for transactions that this node prepared, with keys, sends and rollbacks among them', async () => {
    const ids = [
      await prepared(node, [message(topic)]),
      await prepared(node, [message(topic, { orderingKey: 'a' }), message(topic, { orderingKey: 'b' })]),
      await prepared(node, [message(topic, { delayMs: 60_000 })]),
    ];
    const undone = await prepared(node, [message(topic)]);
    const items = [...ids.map(commit), rollback(undone), send(message(topic, { orderingKey: 'c' }))];
    expect(await tripsOf(async () => expect(endings(await append(node, items))).not.toContain('internal'))).toBe(2);
    expect(
      await tripsOf(async () =>
        expect(endings(await append(node, ids.map(commit)))).toEqual(Array(3).fill('repeated')),
      ),
    ).toBeLessThanOrEqual(2);
  });

  it('three for one that another node prepared', async () => {
    const ids = [await prepared(node, [message(topic)]), await prepared(other, [message(topic)])];
    expect(await tripsOf(() => append(node, ids.map(commit)))).toBe(3);
  });

  it('a topic that another node made anew, with fewer shards, is locked as it is now', async () => {
    const moved = await makeTopic(node, 8);
    await append(node, [send(message(moved))]);
    await other.catalog.deleteTopic(moved, true);
    await other.catalog.putTopic({ name: moved, shards: 2, retentionMs: dayMs, bodyBytesMax: 1 << 20, createdAt: 2 });
    const given = Array.from({ length: 6 }, (_, index) => message(moved, { orderingKey: `key-${index}` }));
    const [outcome] = await append(node, [commit(await prepared(node, given))]);
    expect(valueOf(outcome).messages.map(({ id }) => id)).toEqual(given.map(({ id }) => id));
    const logged = await readWholeLog(node, moved);
    expect(logged.map(({ id }) => id).sort()).toEqual(given.map(({ id }) => id).sort());
    expect(Math.max(...logged.map(({ shard }) => shard))).toBeLessThan(2);
  });
});
