import type { DataSource } from 'typeorm';
import type { Answer } from '../../../src/client/check/answerer.js';
import { TransactionFenced } from '../../../src/client/errors.js';
import type { LocalTransactionOptions } from '../../../src/client/producer/local-transactions.js';
import { until } from '../../queue/until.js';
import { applicationServers, networkServers, type ApplicationDatabase } from './application-database.js';
import { deferred, insertOrder, message, question, Shop } from './shop.js';

const dayMs = 24 * 3_600_000;
const isolations = ['REPEATABLE READ', 'READ COMMITTED'] as const;

/** SQLite has one isolation, which is stronger than both. */
const settings = applicationServers.flatMap((server) => isolations.map((isolation) => ({ ...server, isolation })));

describe.each(settings)('a fence on $name at $isolation', ({ provide, isolation }) => {
  const options: LocalTransactionOptions = { isolation };
  let database: ApplicationDatabase;
  let dataSource: DataSource;
  let shop: Shop;
  let others: Shop[];

  beforeAll(async () => {
    database = await (await provide()).prepare();
    dataSource = await database.open();
    shop = new Shop(dataSource);
    others = await Promise.all(
      ['two', 'three', 'four', 'five'].map(async (instance) => new Shop(await database.open(), { instance })),
    );
  });
  afterAll(async () => {
    await Promise.all([shop, ...others].map((each) => each.fence.stop()));
    await database.close();
  });

  /** 20 checks at once, from four instances that do not have the transaction in hand, and believe that it is old. */
  const askTwenty = (id: string): Promise<Answer[]> =>
    Promise.all(Array.from({ length: 20 }, (_, n) => others[n % others.length]!.ask(id)));

  const unknowns = Array.from({ length: 20 }, () => 'unknown');

  /** Begins a local transaction that waits before its end. */
  const begin = (transactionId: string, order: string) => {
    const begun = deferred();
    const goOn = deferred<Error | undefined>();
    const ended = shop.transactions.sendInTransaction(
      message,
      async (manager) => {
        await insertOrder(order)(manager);
        begun.resolve();
        const error = await goOn.promise;
        if (error) throw error;
      },
      { ...options, transactionId },
    );
    ended.catch(() => undefined);
    return { begun: begun.promise, end: goOn.resolve, ended };
  };

  test('20 checks while the local transaction is open are unknown; it commits, and they say so', async () => {
    const id = 'tx-commits';
    const local = begin(id, 'order-commits');
    await local.begun;
    expect(await askTwenty(id)).toEqual(unknowns);
    expect(await Promise.all(Array.from({ length: 20 }, () => shop.ask(id, 1_000, 'one')))).toEqual(unknowns);
    local.end(undefined);
    await expect(local.ended).resolves.toMatchObject({ transactionId: id, committed: { state: 'committed' } });
    expect(new Set(await askTwenty(id))).toEqual(new Set(['commit']));
    expect(await shop.ask(id, 1_000, 'one')).toBe('commit');
    expect(await shop.orders()).toContain('order-commits');
  });

  test('20 checks while it is open are unknown; it rolls back, and they say so', async () => {
    const id = 'tx-rolls-back';
    const local = begin(id, 'order-rolls-back');
    await local.begun;
    expect(await askTwenty(id)).toEqual(unknowns);
    local.end(new Error('out of stock'));
    await expect(local.ended).rejects.toThrow('out of stock');
    expect(await shop.ask(id, 1_000, 'one')).toBe('rollback');
    expect(new Set(await askTwenty(id))).toEqual(new Set(['rollback']));
    expect(await shop.orders()).not.toContain('order-rolls-back');
    expect(shop.calls.rolledBack).toContain(id);
  });

  test('20 checks that wait while it rolls back never say commit, and one at the end settles it', async () => {
    const id = 'tx-waited-for';
    const local = begin(id, 'order-waited-for');
    await local.begun;
    const answers = askTwenty(id);
    local.end(new Error('out of stock'));
    await expect(local.ended).rejects.toThrow('out of stock');
    expect(await answers).not.toContain('commit');
    expect(await others[0]!.ask(id)).toBe('rollback');
  });

  test('what a check has answered as rolled back can no longer commit: its work is not run', async () => {
    const id = 'tx-fenced';
    shop.calls.onPrepare = async (transaction) => {
      expect(await others[0]!.ask(id)).toBe('rollback');
      return { id: transaction.id, state: 'prepared', firstCheckAt: '', messages: [] };
    };
    let ran = false;
    const sent = shop.transactions.sendInTransaction(message, async () => void (ran = true), {
      ...options,
      transactionId: id,
    });
    await expect(sent).rejects.toThrow(TransactionFenced);
    expect(ran).toBe(false);
    expect(shop.calls.committed).not.toContain(id);
    expect(await others[1]!.ask(id)).toBe('rollback');
  });
});

describe.each(applicationServers)('a fence on $name', ({ provide }) => {
  let database: ApplicationDatabase;
  let shop: Shop;

  beforeAll(async () => {
    database = await (await provide()).prepare();
    shop = new Shop(await database.open());
  });
  afterAll(async () => {
    await shop.fence.stop();
    await database.close();
  });

  const age = (days: number) =>
    shop.dataSource.query(`UPDATE halfbox_fence SET created_at = created_at - ${days * dayMs}`);

  test('a transaction of another instance is fenced only after the limit of local transactions', async () => {
    expect(await shop.ask('tx-young', 65_000)).toBe('unknown');
    expect(await shop.rows()).not.toHaveProperty('tx-young');
    expect(await shop.ask('tx-young', 65_001)).toBe('rollback');
    expect(await shop.rows()).toHaveProperty('tx-young', 'rolled_back');
    // The row answers from now on, however young the transaction is said to be.
    expect(await shop.ask('tx-young', 0)).toBe('rollback');
  });

  test('a transaction without an instance counts as one of another', async () => {
    const { instance: _instance, ...asked } = question('tx-nobody', 65_000, '');
    expect(await shop.fence.answer(asked)).toBe('unknown');
  });

  test('one of this instance that is not in hand never began, and is fenced at once', async () => {
    expect(await shop.ask('tx-own', 0, 'one')).toBe('rollback');
    expect(await shop.rows()).toHaveProperty('tx-own', 'rolled_back');
  });

  test('a check needs times that are times', async () => {
    const asked = { ...question('tx-timeless', 0, 'one'), preparedAt: 'yesterday' };
    expect(await shop.fence.answer(asked)).toBe('unknown');
    expect(await shop.rows()).not.toHaveProperty('tx-timeless');
  });

  test('an id that no transaction can have is not answered', async () => {
    await expect(shop.ask("x' OR 1=1 --")).rejects.toThrow(TypeError);
  });

  test('ids are compared byte by byte', async () => {
    await shop.transactions.sendInTransaction(message, insertOrder('case'), { transactionId: 'tx-Case' });
    expect(await shop.ask('tx-case', 0)).toBe('unknown');
    expect(await shop.ask('tx-case', 100_000)).toBe('rollback');
    expect(await shop.ask('tx-Case')).toBe('commit');
  });

  test('a row that was purged is never read as rolled back', async () => {
    await shop.transactions.sendInTransaction(message, insertOrder('old'), { transactionId: 'tx-old' });
    await age(31);
    await shop.fence.runOnce();
    expect(await shop.rows()).toEqual({});
    for (const days of [29.001, 30, 31, 400]) {
      expect(await shop.ask('tx-old', days * dayMs)).toBe('unknown');
      expect(await shop.ask('tx-old', days * dayMs, 'one')).toBe('unknown');
    }
    expect(await shop.rows()).toEqual({});
    // Its row would still be there.
    expect(await shop.ask('tx-other', 28.999 * dayMs)).toBe('rollback');
  });

  test('old rows are purged 500 at a time by several instances at once, young ones stay', async () => {
    const old = Array.from(
      { length: 1_300 },
      (_, n) => `('tx-old-${n}', 'committed', ${Date.now() - 30 * dayMs - 1_000})`,
    );
    await shop.dataSource.query(
      `INSERT INTO halfbox_fence (transaction_id, outcome, created_at) VALUES ${old.join(', ')}`,
    );
    await shop.fence.settle('tx-recent');
    expect(await shop.fence.runOnce()).toBe(true);
    expect(Object.keys(await shop.rows()).filter((id) => id.startsWith('tx-old-'))).toHaveLength(800);
    const others = await Promise.all([2, 3, 4].map(async () => new Shop(await database.open())));
    const purge = async ({ fence }: Shop) => {
      while (await fence.runOnce());
    };
    await Promise.all(others.map(purge));
    const left = Object.keys(await shop.rows());
    expect(left.filter((id) => id.startsWith('tx-old-'))).toEqual([]);
    expect(left).toContain('tx-recent');
    await Promise.all(others.map(({ fence }) => fence.stop()));
  });

  test('a slow start is not fenced by another instance', async () => {
    const narrow = new Shop(await database.open({ poolSize: 1 }), { instance: 'slow' });
    const taken = narrow.dataSource.createQueryRunner();
    await taken.connect();
    await taken.startTransaction();
    const prepared = deferred();
    narrow.calls.onPrepare = async ({ id }) => {
      prepared.resolve();
      return { id, state: 'prepared', firstCheckAt: '', messages: [] };
    };
    const sent = narrow.transactions.sendInTransaction(message, insertOrder('slow'), { transactionId: 'tx-slow' });
    await prepared.promise;
    for (const ageMs of [0, 6_000, 60_000]) expect(await shop.ask('tx-slow', ageMs, 'slow')).toBe('unknown');
    expect(await narrow.ask('tx-slow', 6_000, 'slow')).toBe('unknown');
    await taken.rollbackTransaction();
    await taken.release();
    await expect(sent).resolves.toMatchObject({ transactionId: 'tx-slow', result: 'slow' });
    expect(await shop.ask('tx-slow', 0, 'slow')).toBe('commit');
    await narrow.fence.stop();
  });

  test('a database that is away is unknown, and it is asked again when it is back', async () => {
    const own = await (await provide()).prepare();
    const asked = new Shop(await own.open());
    await asked.dataSource.query('ALTER TABLE halfbox_fence RENAME TO halfbox_fence_away');
    expect(await asked.ask('tx-away')).toBe('unknown');
    await asked.dataSource.query('ALTER TABLE halfbox_fence_away RENAME TO halfbox_fence');
    expect(await asked.ask('tx-away')).toBe('rollback');
    await asked.fence.stop();
    await own.close();
  });
});

describe.each(networkServers)('a fence on $name that is stopped while it is asked', ({ provide, dialect }) => {
  test('ends its answers first, and leaves no connection behind', async () => {
    const database = await (await provide()).prepare();
    const [shop, other] = [new Shop(await database.open()), new Shop(await database.open())];
    const connections = async (): Promise<number> => {
      const statement = {
        mysql: 'SELECT COUNT(*) AS held FROM information_schema.processlist WHERE db = DATABASE()',
        postgres: 'SELECT COUNT(*) AS held FROM pg_stat_activity WHERE datname = current_database()',
        sqlite: '',
      }[dialect];
      const [{ held }] = (await other.dataSource.query(statement)) as [{ held: string }];
      return Number(held);
    };
    const before = await connections();
    const asked = Array.from({ length: 20 }, (_, n) => shop.ask(`tx-${n}`));
    await shop.ask('tx-first');
    const stopping = shop.fence.stop();
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['rollback']));
    await stopping;
    await expect(shop.ask('tx-later')).rejects.toThrow('was stopped');
    await expect(shop.fence.settle('tx-later')).rejects.toThrow('was stopped');
    await until('the end of its connections', async () => (await connections()) === before);
    await other.fence.stop();
    await database.close();
  });
});

describe('what a fence refuses', () => {
  const dataSourceOf = (options: object): DataSource => ({ options }) as DataSource;

  test.each([':memory:', '', 'file::memory:?cache=shared', 'file:shop?mode=memory'])('SQLite in memory: %j', (file) => {
    const dataSource = dataSourceOf({ type: 'better-sqlite3', database: file });
    expect(() => new Shop(dataSource)).toThrow(/needs a file that a second connection can open/);
  });

  test('a database without a dialect of its own', () => {
    expect(() => new Shop(dataSourceOf({ type: 'mongodb' }))).toThrow(/supported are mysql, mariadb/);
  });

  test.each([
    { localTransactionMsMax: 999 },
    { localTransactionMsMax: Number.NaN },
    { fenceRetentionMs: 2 * dayMs - 1 },
    { purgeIntervalMs: 0 },
  ])('times out of bounds: %j', (options) => {
    expect(() => new Shop(dataSourceOf({ type: 'mysql' }), options)).toThrow(RangeError);
  });
});
