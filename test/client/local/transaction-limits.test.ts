import type { EntityManager } from 'typeorm';
import { LocalTransactionTimeout, NestedLocalTransaction, SendBufferFull } from '../../../src/client/errors.js';
import { InHand } from '../../../src/client/local/in-hand.js';
import { applicationServers } from './application-database.js';
import { deferred, insertOrder, message, type Shop } from './shop.js';
import { Shops } from './shops.js';

describe.each(applicationServers)('limits of local transactions on $name', (server) => {
  let shops: Shops;
  let shop: Shop;
  beforeAll(async () => {
    shops = await Shops.on(server);
  });
  beforeEach(async () => {
    shop = await shops.openEmpty();
  });
  afterEach(() => shops.reset());
  afterAll(() => shops.end());

  describe('the limit', () => {
    test('work that hangs is cut off, and what it does later fails', async () => {
      const begun = deferred();
      const later = deferred();
      let lateWrite: Promise<unknown> | undefined;
      const sent = shop.transactions.sendInTransaction(
        message,
        async (manager) => {
          await insertOrder('k')(manager);
          begun.resolve();
          await later.promise;
          lateWrite = insertOrder('l')(manager);
          await lateWrite;
        },
        { timeoutMs: 200 },
      );
      await begun.promise;
      await expect(sent).rejects.toThrow(LocalTransactionTimeout);
      const other = shop.transactions.sendInTransaction(message, insertOrder('m'));
      later.resolve();
      await other;
      await expect(lateWrite).rejects.toThrow();
      expect(await shop.orders()).toEqual(['m']);
      expect(shop.calls.committed).toHaveLength(1);
      expect(await shop.ask(shop.calls.prepared[0]!.id)).toBe('rollback');
    });

    const sleep = { mysql: 'SELECT SLEEP(8)', postgres: 'SELECT pg_sleep(8)', sqlite: undefined }[server.dialect];
    if (sleep !== undefined) {
      test('a statement that still runs is not waited for, and the pool goes on', async () => {
        const narrow = await shops.open({ poolSize: 1 });
        const work = (manager: EntityManager) => manager.query(sleep);
        const startedAt = performance.now();
        const sent = narrow.transactions.sendInTransaction(message, work, { timeoutMs: 200 });
        await expect(sent).rejects.toThrow(LocalTransactionTimeout);
        await narrow.transactions.sendInTransaction(message, insertOrder('u'));
        expect(performance.now() - startedAt).toBeLessThan(7_000);
        expect(await narrow.orders()).toEqual(['u']);
        // Whether the server has rolled back is not certain yet: check-back finds out.
        expect(narrow.calls.rolledBack).toEqual([]);
      });
    }

    test('a COMMIT is not sent after it', async () => {
      let now = 0;
      const slow = await shops.open({}, { inHand: new InHand(10, { now: () => now }) });
      const { onPrepare } = slow.calls;
      slow.calls.onPrepare = async (transaction) => {
        now = 60_000;
        return onPrepare(transaction);
      };
      const sent = slow.transactions.transaction(async ({ manager, send }) => {
        send(message);
        return insertOrder('n')(manager);
      });
      await expect(sent).rejects.toThrow(LocalTransactionTimeout);
      expect(await slow.orders()).toEqual([]);
      expect(slow.calls.rolledBack).toEqual([slow.calls.prepared[0]!.id]);
    });

    test('a prepare that takes longer does not run the work', async () => {
      shop.calls.onPrepare = () => new Promise(() => undefined);
      const sent = shop.transactions.sendInTransaction(message, insertOrder('o'), { timeoutMs: 50 });
      await expect(sent).rejects.toThrow(LocalTransactionTimeout);
      expect(await shop.orders()).toEqual([]);
    });

    test('a connection that does not become free in time is not waited for, and not lost', async () => {
      const narrow = await shops.open({ poolSize: 1 });
      const taken = narrow.dataSource.createQueryRunner();
      await taken.connect();
      await taken.startTransaction();
      const sent = narrow.transactions.sendInTransaction(message, insertOrder('p'), { timeoutMs: 50 });
      await expect(sent).rejects.toThrow(LocalTransactionTimeout);
      expect(narrow.calls.rolledBack).toHaveLength(1);
      await taken.rollbackTransaction();
      await taken.release();
      await narrow.transactions.sendInTransaction(message, insertOrder('q'));
      expect(await narrow.orders()).toEqual(['q']);
    });

    test.each([0, -1, 60_001, Number.NaN])('of %d ms is refused', async (timeoutMs) => {
      await expect(shop.transactions.sendInTransaction(message, insertOrder('r'), { timeoutMs })).rejects.toThrow(
        RangeError,
      );
    });

    test('a transaction beyond the bound of those in hand is refused', async () => {
      const bounded = await shops.open({}, { inHand: new InHand(1) });
      const sent = bounded.transactions.sendInTransaction(message, insertOrder('s'));
      await expect(bounded.transactions.sendInTransaction(message, insertOrder('t'))).rejects.toThrow(SendBufferFull);
      await sent;
      expect(bounded.calls.prepared).toHaveLength(1);
    });
  });

  describe('connections', () => {
    test('a pool of one is enough, for many at once', async () => {
      const narrow = await shops.open({ poolSize: 1 });
      const ids = Array.from({ length: 10 }, (_, n) => `n${n}`);
      await Promise.all(ids.map((id) => narrow.transactions.sendInTransaction(message, insertOrder(id))));
      const work = (id: string) => async (t: { manager: EntityManager; send: (sent: typeof message) => unknown }) => {
        t.send(message);
        return insertOrder(id)(t.manager);
      };
      await Promise.all(ids.map((id) => narrow.transactions.transaction(work(`t${id}`))));
      expect(await narrow.orders()).toHaveLength(20);
      expect(narrow.calls.committed).toHaveLength(20);
    });

    test('a local transaction in the work of another one is refused before anything is done', async () => {
      const narrow = await shops.open({ poolSize: 1 });
      const nested = (manager: EntityManager, id: string) => {
        void manager;
        return narrow.transactions.sendInTransaction(message, insertOrder(id));
      };
      const outer = narrow.transactions.sendInTransaction(message, (manager) => nested(manager, 'inner'));
      await expect(outer).rejects.toThrow(NestedLocalTransaction);
      expect(narrow.calls.prepared).toHaveLength(1);
      await expect(
        narrow.transactions.transaction(async ({ manager }) => {
          await nested(manager, 'inner').catch(() => undefined);
          return insertOrder('outer')(manager);
        }),
      ).resolves.toMatchObject({ result: 'outer' });
      expect(await narrow.orders()).toEqual(['outer']);
    });

    test('what the work started and did not wait for may begin one of its own', async () => {
      const goOn = deferred();
      let later: Promise<unknown> | undefined;
      await shop.transactions.sendInTransaction(message, async (manager) => {
        later = goOn.promise.then(() => shop.transactions.sendInTransaction(message, insertOrder('later')));
        return insertOrder('now')(manager);
      });
      goOn.resolve();
      await later;
      expect(await shop.orders()).toEqual(['later', 'now']);
    });

    test('an EntityManager will do for a DataSource', async () => {
      const { SqlLocalTransactions } = await import('../../../src/client/local/local-transactions.js');
      const { Fence } = await import('../../../src/client/local/fence.js');
      const fence = new Fence(shop.dataSource.manager, { instance: 'one' });
      const transactions = new SqlLocalTransactions(fence, shop.calls, { producer: 'shop' });
      await transactions.sendInTransaction(message, insertOrder('z'));
      expect(await shop.orders()).toEqual(['z']);
    });
  });
});
