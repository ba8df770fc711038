import { OverdueBacklogs, type OverdueBacklog } from '../../src/retention/overdue-backlogs.js';
import { defaultRetentionSettings, Retention, type RetentionSettings } from '../../src/retention/retention.js';
import type { Logger } from '../../src/runtime/logger.js';
import { silentLogger } from '../../src/runtime/logger.js';
import type { MessageStore } from '../../src/store/message-store.js';
import type { RetentionStore } from '../../src/store/retention-store.js';
import { openTestStore, sqliteServer, type TestStore } from '../store/databases.js';

const day = 24 * 3_600_000;
const start = 1_900_000_000_000;
const rolledBackKeptMs = 3 * day;
const topic = 'orders';

/** Retention over a store, and what it told. */
function retention(store: MessageStore, settings: Partial<RetentionSettings> = {}, purges = store.retention) {
  const deleted: Record<string, number> = {};
  const warnings: { fields: object; message: string }[] = [];
  const reports: OverdueBacklog[][] = [];
  const logger: Logger = { ...silentLogger, warn: (fields, message) => void warnings.push({ fields, message }) };
  const service = new Retention({
    store: purges,
    backlogs: new OverdueBacklogs(store.subscriptions, store.catalog, logger, (overdue) => void reports.push(overdue)),
    clock: { now: () => start },
    settings: { ...defaultRetentionSettings, ...settings },
    logger,
    observer: { deleted: (what, count) => void (deleted[what] = (deleted[what] ?? 0) + count) },
  });
  return { service, deleted, warnings, reports };
}

describe('Retention', () => {
  let opened: TestStore;
  let store: MessageStore;
  beforeEach(async () => {
    opened = await openTestStore(sqliteServer);
    store = opened.store;
    await store.catalog.putTopic({
      name: topic,
      shards: 1,
      retentionMs: 3 * day,
      bodyBytesMax: 1_000,
      createdAt: start,
    });
    await store.catalog.ensureProducer({ name: 'shop', createdAt: start });
  });
  afterEach(() => opened.close());

  const messageOf = (id: string) => ({ id, idGiven: true, topic, body: { json: '1' } });

  async function prepare(...ids: string[]): Promise<void> {
    const items = ids.map((transactionId) => ({
      transactionId,
      producer: 'shop',
      firstCheckAfterMs: 6_000,
      messages: [messageOf(`${transactionId}-m`)],
    }));
    await store.half.prepare(items, start);
  }

  async function send(count: number): Promise<void> {
    const messages = Array.from({ length: count }, (_, index) => messageOf(`m${index}`));
    for (const message of messages) {
      await store.half.append([{ kind: 'send', messages: [message] }], { now: () => start }, rolledBackKeptMs);
    }
  }

  async function subscribe(group: string): Promise<void> {
    const config = {
      mode: 'pull',
      filter: '*',
      maxAttempts: 17,
      retry: { fixedMs: 1_000 },
      maxInFlight: 100,
      onDeadLetter: 'continue',
    } as const;
    await store.subscriptions.put(topic, group, config, 'earliest', undefined, start);
  }

  it('deletes rolled-back messages after 3 days and not before', async () => {
    await prepare('a', 'b', 'open');
    for (const transactionId of ['a', 'b']) {
      await store.half.append(
        [{ kind: 'rollback', transactionId, by: 'client' }],
        { now: () => start },
        rolledBackKeptMs,
      );
    }
    const { service, deleted } = retention(store);
    await service.runOnce(start + rolledBackKeptMs - 1);
    expect(deleted).toEqual({});
    expect((await store.lookup.getMessage('a-m'))?.state).toBe('rolled_back');

    await service.runOnce(start + rolledBackKeptMs + 1);
    expect(deleted).toEqual({ 'resolved-transactions': 2 });
    expect(await store.lookup.getMessage('a-m')).toBeNull();
    expect(await store.lookup.getTransaction('a', false)).toBeNull();
    expect((await store.lookup.getMessage('open-m'))?.state).toBe('half');
  });

  it('deletes messages that every subscription has settled, over as many batches as it takes', async () => {
    await send(12);
    const { service, deleted } = retention(store, { batchMax: 5 });
    await service.runOnce(start + 3 * day - 1);
    expect(deleted).toEqual({});
    expect(await service.runOnce(start + 3 * day + 1)).toBe(false);
    expect(deleted).toEqual({ messages: 12 });
    expect(await store.lookup.getMessage('m11')).toBeNull();
  });

  it('never deletes an unsettled backlog, but warns of it, once an hour', async () => {
    await subscribe('mail');
    await send(3);
    const { service, deleted, warnings, reports } = retention(store);
    const late = start + 4 * day;
    await service.runOnce(late);
    await service.runOnce(late + 60_000);
    expect(deleted).toEqual({});
    expect((await store.lookup.getMessage('m0'))?.state).toBe('visible');
    expect(reports).toEqual([
      [{ topic, group: 'mail', ageMs: 4 * day, retentionMs: 3 * day }],
      [{ topic, group: 'mail', ageMs: 4 * day + 60_000, retentionMs: 3 * day }],
    ]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]!.fields).toMatchObject({ topic, group: 'mail' });
    await service.runOnce(late + 3_600_000);
    expect(warnings).toHaveLength(2);

    // Once nobody waits for it, it goes, and nothing is overdue any more.
    await store.subscriptions.remove(topic, 'mail', true);
    await service.runOnce(late + 2 * 3_600_000);
    expect(deleted).toEqual({ messages: 3 });
    expect(reports.at(-1)).toEqual([]);
  });

  it('deletes parked transactions after 30 days, counted and warned of', async () => {
    await prepare('a');
    const check = await store.checks.claimOne('a', start, 30_000);
    const attempt = { attempt: 1, at: start, outcome: 'unknown', latencyMs: 1 } as const;
    expect(await store.checks.record(check!, attempt, { park: true }, 100)).toBe(true);
    const { service, deleted, warnings } = retention(store);
    await service.runOnce(start + 30 * day - 1);
    expect(deleted).toEqual({});
    await service.runOnce(start + 30 * day + 1);
    expect(deleted).toEqual({ 'parked-transactions': 1 });
    expect(warnings).toMatchObject([{ fields: { what: 'parked-transactions', count: 1 } }]);
    expect(await store.lookup.getMessage('a-m')).toBeNull();
  });
});

describe('Retention within its bounds', () => {
  const purges = (changes: Partial<RetentionStore>): RetentionStore => ({
    purgeResolved: () => Promise.resolve(0),
    purgeParked: () => Promise.resolve(0),
    purgeDeadLetters: () => Promise.resolve(0),
    purgeKept: () => Promise.resolve(0),
    purgeLog: () => Promise.resolve(0),
    purgeableShards: () => Promise.resolve([]),
    ...changes,
  });
  const noStore = {
    subscriptions: { list: () => Promise.resolve({ items: [], next: null }) },
    catalog: { getTopic: () => Promise.resolve(null) },
  } as unknown as MessageStore;

  it('deletes in batches, ends its run at its bound and asks to be run again', async () => {
    const limits: number[] = [];
    const purgeDeadLetters = (_before: number, limit: number) => Promise.resolve(limits.push(limit) && limit);
    const { service, deleted } = retention(noStore, { batchesMax: 4, batchMax: 10 }, purges({ purgeDeadLetters }));
    expect(await service.runOnce(start)).toBe(true);
    expect(limits).toEqual([10, 10, 10, 10]);
    expect(deleted).toEqual({ 'dead-letters': 40 });
  });

  it('asks for dead letters and parked transactions older than their time', async () => {
    const asked: Record<string, number> = {};
    const note = (what: string) => (before: number) => {
      asked[what] = before;
      return Promise.resolve(0);
    };
    const settings = { parkedRetentionMs: 10 * day, deadLetterRetentionMs: 20 * day };
    const store = purges({ purgeParked: note('parked'), purgeDeadLetters: note('dead') });
    await retention(noStore, settings, store).service.runOnce(start);
    expect(asked).toEqual({ parked: start - 10 * day, dead: start - 20 * day });
  });

  it('goes through every page of shards', async () => {
    const shards = Array.from({ length: 250 }, (_, shard) => ({ topic, shard }));
    const purged: number[] = [];
    const store = purges({
      purgeableShards: (_now, after, limit) => {
        const from = after ? after.shard + 1 : 0;
        return Promise.resolve(shards.slice(from, from + limit));
      },
      purgeLog: (_topic, shard) => Promise.resolve(purged.push(shard) && 0),
    });
    await retention(noStore, {}, store).service.runOnce(start);
    expect(purged).toEqual(shards.map(({ shard }) => shard));
  });

  it('does the rest when one kind or one shard fails, and tells of it', async () => {
    const purged: number[] = [];
    const store = purges({
      purgeResolved: () => Promise.reject(new Error('first')),
      purgeableShards: (_now, after) => Promise.resolve(after ? [] : [0, 1, 2].map((shard) => ({ topic, shard }))),
      purgeLog: (_topic, shard) =>
        shard === 1 ? Promise.reject(new Error('second')) : Promise.resolve(purged.push(shard) && 0),
    });
    await expect(retention(noStore, {}, store).service.runOnce(start)).rejects.toThrow('first');
    expect(purged).toEqual([0, 2]);
  });
});
