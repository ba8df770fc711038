import type { DataSource } from 'typeorm';
import { LocalTransactionTimeout, NestedLocalTransaction } from '../../../src/client/errors.js';
import { applicationServers, type ApplicationDatabase } from './application-database.js';
import { deferred, insertOrder, message, Shop } from './shop.js';

const sqlite = applicationServers.find(({ dialect }) => dialect === 'sqlite')!;

describe('the one connection of a SQLite DataSource', () => {
  let database: ApplicationDatabase;
  let dataSource: DataSource;
  let shop: Shop;

  beforeEach(async () => {
    database = await (await sqlite.provide()).prepare();
    dataSource = await database.open();
    shop = new Shop(dataSource);
  });
  afterEach(async () => {
    await shop.fence.stop();
    await database.close();
  });

  /** Begins a local transaction that writes an order and waits before its end. */
  const begin = async (order: string) => {
    const begun = deferred();
    const goOn = deferred<Error | undefined>();
    const ended = shop.transactions.sendInTransaction(message, async (manager) => {
      await insertOrder(order)(manager);
      begun.resolve();
      const error = await goOn.promise;
      if (error) throw error;
    });
    ended.catch(() => undefined);
    await begun.promise;
    return { ended, end: goOn.resolve };
  };

  test('what others write waits for the local transaction, and is not lost with it', async () => {
    const local = await begin('local');
    const steps: string[] = [];
    const plain = insertOrder('plain')(dataSource.manager).then(() => steps.push('plain'));
    const own = dataSource.transaction(insertOrder('own')).then(() => steps.push('own'));
    const next = shop.transactions.sendInTransaction(message, insertOrder('next')).then(() => steps.push('next'));
    const read = shop.orders().then((orders) => steps.push(`read ${orders.length}`));
    local.end(new Error('out of stock'));
    await expect(local.ended).rejects.toThrow('out of stock');
    await Promise.all([plain, own, next, read]);
    expect(await shop.orders()).toEqual(['next', 'own', 'plain']);
    expect(steps[0]).toBe('plain');
  });

  test('a rollback of the application does not touch a local transaction', async () => {
    const local = await begin('local');
    const failed = dataSource.transaction(async (manager) => {
      await insertOrder('own')(manager);
      throw new Error('no');
    });
    failed.catch(() => undefined);
    local.end(undefined);
    await local.ended;
    await expect(failed).rejects.toThrow('no');
    expect(await shop.orders()).toEqual(['local']);
  });

  test('a local transaction waits for the one that the application has open', async () => {
    const begun = deferred();
    const goOn = deferred();
    const own = dataSource.transaction(async (manager) => {
      await insertOrder('own')(manager);
      begun.resolve();
      await goOn.promise;
      await insertOrder('own-2')(manager);
    });
    await begun.promise;
    const local = shop.transactions.sendInTransaction(message, insertOrder('local'));
    const late = shop.transactions.sendInTransaction(message, insertOrder('late'), { timeoutMs: 20 });
    await expect(late).rejects.toThrow(LocalTransactionTimeout);
    goOn.resolve();
    await Promise.all([own, local]);
    expect(await shop.orders()).toEqual(['local', 'own', 'own-2']);
    // The turn of the one that came too late was passed on.
    await shop.transactions.sendInTransaction(message, insertOrder('next'));
    expect(await shop.orders()).toContain('next');
  });

  test('many at once, some rolled back, beside what others write', async () => {
    const local = Array.from({ length: 30 }, async (_, n) => {
      const work = async (manager: DataSource['manager']) => {
        await insertOrder(`local-${n}`)(manager);
        if (n % 3 === 0) throw new Error('out of stock');
      };
      await shop.transactions.sendInTransaction(message, work).catch(() => undefined);
    });
    const others = Array.from({ length: 30 }, (_, n) => insertOrder(`other-${n}`)(dataSource.manager));
    await Promise.all([...local, ...others]);
    const orders = await shop.orders();
    expect(orders.filter((id) => id.startsWith('local-'))).toHaveLength(20);
    expect(orders.filter((id) => id.startsWith('other-'))).toHaveLength(30);
    expect(shop.calls).toMatchObject({ committed: { length: 20 }, rolledBack: { length: 10 } });
  });

  test('the work reads through the DataSource what it has written, and cannot begin a transaction on it', async () => {
    const done = await shop.transactions.sendInTransaction(message, async (manager) => {
      await insertOrder('seen')(manager);
      const begun = dataSource.transaction(insertOrder('nested'));
      await expect(begun).rejects.toThrow(NestedLocalTransaction);
      return shop.orders();
    });
    expect(done.result).toEqual(['seen']);
    expect(await shop.orders()).toEqual(['seen']);
  });

  test('what a cut-off work writes later, through its manager or beside it, is not part of another transaction', async () => {
    const goOn = deferred();
    const writes: Promise<unknown>[] = [];
    const cutOff = shop.transactions.sendInTransaction(
      message,
      async (manager) => {
        await goOn.promise;
        writes.push(insertOrder('late')(manager).catch(() => undefined));
        writes.push(insertOrder('beside')(dataSource.manager));
      },
      { timeoutMs: 20 },
    );
    await expect(cutOff).rejects.toThrow(LocalTransactionTimeout);
    const local = await begin('local');
    goOn.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    local.end(new Error('out of stock'));
    await expect(local.ended).rejects.toThrow('out of stock');
    await Promise.all(writes);
    expect(writes).toHaveLength(2);
    expect(await shop.orders()).toEqual(['beside']);
  });
});
