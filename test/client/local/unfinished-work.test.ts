import { AsyncResource } from 'node:async_hooks';
import type { EntityManager, TransactionCommitEvent } from 'typeorm';
import { LocalTransactionLost, WorkUnfinished } from '../../../src/client/errors.js';
import { Inbox } from '../../../src/client/local/inbox/inbox.js';
import { applicationServers, type ApplicationDatabase } from './application-database.js';
import { deferred, insertOrder, message, Shop } from './shop.js';

describe.each(applicationServers)('work on $name that is not over when it says so', ({ provide, dialect }) => {
  let database: ApplicationDatabase;
  let shop: Shop;
  let other: Shop;

  beforeAll(async () => {
    database = await (await provide()).prepare();
    other = new Shop(await database.open(), { instance: 'two' });
  });
  beforeEach(async () => {
    // One connection: whoever comes next gets the one that was left behind.
    shop = new Shop(await database.open({ poolSize: 1 }));
    for (const table of ['shop_order', 'halfbox_fence', 'halfbox_inbox']) {
      await other.dataSource.query(`DELETE FROM ${table}`);
    }
  });
  afterEach(async () => {
    expect(shop.fence.inHand.size).toBe(0);
    await shop.fence.stop();
    await shop.dataSource.destroy();
  });
  afterAll(async () => {
    await other.fence.stop();
    await database.close();
  });

  /** Begins a transaction within the work's own, and leaves it open until `goOn`. */
  const leaveOpen = async (manager: EntityManager, goOn: Promise<void>): Promise<void> => {
    const begun = deferred();
    const nested = manager.transaction(async (inner) => {
      await insertOrder('nested')(inner);
      begun.resolve();
      await goOn;
      await insertOrder('nested-late')(inner);
    });
    nested.catch(() => undefined);
    await begun.promise;
  };
  const lastId = () => shop.calls.prepared.at(-1)!.id;
  /** The connection is as good as new: what comes next is committed alone. */
  const expectNextAlone = async (): Promise<void> => {
    await shop.transactions.sendInTransaction(message, insertOrder('next'));
    expect(await other.orders()).toEqual(['next']);
  };

  test('it throws while a transaction within it is open: all of it is rolled back, for good', async () => {
    const goOn = deferred();
    const failure = new Error('out of stock');
    const sent = shop.transactions.sendInTransaction(message, async (manager) => {
      await insertOrder('outer')(manager);
      await leaveOpen(manager, goOn.promise);
      throw failure;
    });
    await expect(sent).rejects.toBe(failure);
    const id = lastId();
    goOn.resolve();
    expect(await other.ask(id)).toBe('rollback');
    expect(shop.calls.rolledBack).toEqual([id]);
    await expectNextAlone();
  });

  test('it returns while a transaction within it is open: nothing is committed, and it is told so', async () => {
    const goOn = deferred();
    const sent = shop.transactions.sendInTransaction(message, async (manager) => {
      await insertOrder('outer')(manager);
      await leaveOpen(manager, goOn.promise);
    });
    await expect(sent).rejects.toThrow(WorkUnfinished);
    const id = lastId();
    goOn.resolve();
    expect(await other.ask(id)).toBe('rollback');
    expect(shop.calls).toMatchObject({ committed: [], rolledBack: [id] });
    await expectNextAlone();
  });

  test('transactions within it that it waits for are part of it', async () => {
    await shop.transactions.sendInTransaction(message, async (manager) => {
      await manager.transaction(insertOrder('kept'));
      const failed = manager.transaction(async (inner) => {
        await insertOrder('undone')(inner);
        throw new Error('out of stock');
      });
      await expect(failed).rejects.toThrow('out of stock');
    });
    expect(await other.orders()).toEqual(['kept']);
    expect(shop.calls.committed).toEqual([lastId()]);
  });

  test('the same for the work of an inbox', async () => {
    const inbox = new Inbox(shop.dataSource);
    const goOn = deferred();
    const failure = new Error('out of stock');
    const once = (end: () => void) =>
      inbox.once({ id: 'm', topic: 'orders' }, 'billing', async (manager) => {
        await insertOrder('outer')(manager);
        await leaveOpen(manager, goOn.promise);
        end();
      });
    const thrown = once(() => {
      throw failure;
    });
    await expect(thrown).rejects.toBe(failure);
    await expect(once(() => undefined)).rejects.toThrow(WorkUnfinished);
    goOn.resolve();
    const done = await inbox.once({ id: 'm', topic: 'orders' }, 'billing', insertOrder('done'));
    expect(done).toEqual({ done: true, result: 'done' });
    expect(await other.orders()).toEqual(['done']);
  });

  test('it commits by itself and then throws: the messages are not rolled back', async () => {
    const failure = new Error('out of stock');
    const byHand = async (manager: EntityManager) => manager.query('COMMIT');
    const byRunner = async (manager: EntityManager) => manager.queryRunner!.commitTransaction();
    for (const commit of [byHand, byRunner]) {
      const sent = shop.transactions.sendInTransaction(message, async (manager) => {
        await commit(manager);
        throw failure;
      });
      await expect(sent).rejects.toBe(failure);
      expect(shop.calls.rolledBack).toEqual([]);
      expect(await shop.ask(lastId(), 0, 'one')).toBe('commit');
    }
  });

  describe('a subscriber, before the COMMIT,', () => {
    const subscribe = (act: (event: TransactionCommitEvent) => Promise<void>): void => {
      shop.dataSource.subscribers.push({ beforeTransactionCommit: act });
    };

    test('loses the transaction and does not tell: nothing is delivered', async () => {
      subscribe(async ({ queryRunner }) => {
        // As the database does by itself after a deadlock, and PostgreSQL after any error.
        if (dialect === 'postgres') await queryRunner.query('SELECT 1 / 0').catch(() => undefined);
        else await queryRunner.query('ROLLBACK');
      });
      const sent = shop.transactions.sendInTransaction(message, insertOrder('a'));
      await expect(sent).rejects.toThrow(LocalTransactionLost);
      expect(shop.calls.committed).toEqual([]);
      expect(await other.orders()).toEqual([]);
      expect(await other.ask(lastId())).toBe('rollback');
      await expect(shop.transactions.transaction(({ manager }) => insertOrder('b')(manager))).rejects.toThrow(
        LocalTransactionLost,
      );
      expect(await other.orders()).toEqual([]);
    });

    test('refuses: it is rolled back, and the caller gets its error', async () => {
      const failure = new Error('the books do not balance');
      subscribe(async () => Promise.reject(failure));
      const sent = shop.transactions.sendInTransaction(message, insertOrder('a'));
      await expect(sent).rejects.toBe(failure);
      expect(shop.calls).toMatchObject({ committed: [], rolledBack: [lastId()] });
      shop.dataSource.subscribers.pop();
      await expectNextAlone();
    });

    test('writes: it is committed with the rest', async () => {
      subscribe(async ({ manager }) => void (await insertOrder('audit')(manager)));
      await shop.transactions.sendInTransaction(message, insertOrder('a'));
      expect(await other.orders()).toEqual(['a', 'audit']);
    });
  });

  test('what others do on its connection after its end fails, and does not break it', async () => {
    const outside = new AsyncResource('outside');
    const prepared = deferred();
    const { onPrepare } = shop.calls;
    let late: Promise<unknown> | undefined;
    shop.calls.onPrepare = async (transaction) => {
      prepared.resolve();
      await expect(late).rejects.toThrow(/has ended/);
      return onPrepare(transaction);
    };
    await shop.transactions.transaction(async ({ manager, send }) => {
      send(message);
      late = outside.runInAsyncScope(() => prepared.promise.then(() => manager.query('SELECT * FROM no_such_table')));
      late.catch(() => undefined);
      await insertOrder('a')(manager);
    });
    expect(await other.orders()).toEqual(['a']);
    expect(shop.calls.committed).toEqual([lastId()]);
  });
});
