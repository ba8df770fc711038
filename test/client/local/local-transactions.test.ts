import type { EntityManager } from 'typeorm';
import {
  BrokerRefused,
  BrokerUnreachable,
  LocalTransactionLost,
  LocalTransactionTimeout,
  NestedLocalTransaction,
  OutcomeUnknown,
  SendBufferFull,
  SendFailed,
  TransactionFenced,
  TransactionRepeated,
} from '../../../src/client/errors.js';
import { InHand } from '../../../src/client/local/in-hand.js';
import type { TopicMessage } from '../../../src/client/producer/topic-map.js';
import { applicationServers, networkServers, type ApplicationDatabase } from './application-database.js';
import { deferred, insertOrder, message, Shop } from './shop.js';

const invoice: TopicMessage = { topic: 'invoices', body: 2 };
const unreachable = new BrokerUnreachable('http://broker', true, new Error('gone'));

describe.each(networkServers)('a replicated $name', ({ provide }) => {
  test('local transactions and checks use the primary', async () => {
    const [database, replica] = await Promise.all([provide(), provide()]);
    await database.prepare();
    const replication = { master: { url: database.address }, slaves: [{ url: replica.address }] };
    const shop = new Shop(await database.open({ url: undefined, replication }));
    const { transactionId } = await shop.transactions.sendInTransaction(message, insertOrder('a'));
    expect(await shop.ask(transactionId)).toBe('commit');
    expect(await shop.ask('tx-other')).toBe('rollback');
    await shop.fence.stop();
    await database.close();
    await replica.close();
  });
});

describe.each(applicationServers)('local transactions on $name', ({ provide, dialect }) => {
  let database: ApplicationDatabase;
  let shop: Shop;
  const opened: Shop[] = [];

  const openShop = async (more: object = {}, options: ConstructorParameters<typeof Shop>[1] = {}): Promise<Shop> => {
    const made = new Shop(await database.open(more), options);
    opened.push(made);
    return made;
  };

  beforeAll(async () => {
    database = await (await provide()).prepare();
  });
  beforeEach(async () => {
    shop = await openShop();
    await shop.dataSource.query('DELETE FROM shop_order');
    await shop.dataSource.query('DELETE FROM halfbox_fence');
  });
  afterEach(async () => {
    for (const { fence, dataSource } of opened.splice(0)) {
      expect(fence.inHand.size).toBe(0);
      await fence.stop();
      await dataSource.destroy();
    }
  });
  afterAll(() => database.close());

  const asOther = (id: string) => shop.ask(id, 3_600_000, 'gone');

  describe('messages that are known before', () => {
    test('half first, then the work, then both are committed', async () => {
      const steps: string[] = [];
      const { onPrepare, onCommit } = shop.calls;
      shop.calls.onPrepare = async (transaction) => (steps.push('prepare'), onPrepare(transaction));
      shop.calls.onCommit = async (id) => {
        steps.push('commit');
        expect(await shop.orders()).toEqual(['a']);
        expect(await shop.ask(id, 0, 'one')).toBe('commit');
        return onCommit(id);
      };
      const done = await shop.transactions.sendInTransaction(
        [message, invoice],
        async (manager) => (steps.push('work'), insertOrder('a')(manager)),
        { firstCheckAfterMs: 7_000 },
      );
      expect(steps).toEqual(['prepare', 'work', 'commit']);
      const [prepared] = shop.calls.prepared;
      expect(prepared).toEqual({
        id: done.transactionId,
        producer: 'shop',
        instance: 'one',
        firstCheckAfterMs: 7_000,
        messages: [message, invoice],
      });
      expect(done).toMatchObject({ result: 'a', committed: { id: prepared!.id, state: 'committed' } });
      expect(await shop.rows()).toEqual({ [prepared!.id]: 'committed' });
      expect(shop.calls.rolledBack).toEqual([]);
    });

    test('a failed prepare never runs the work; what may be stored is rolled back by check-back', async () => {
      const failure = new SendFailed(true, ['tx'], 3, unreachable);
      shop.calls.onPrepare = async () => Promise.reject(failure);
      let ran = false;
      const sent = shop.transactions.sendInTransaction(message, async () => void (ran = true));
      await expect(sent).rejects.toBe(failure);
      expect(ran).toBe(false);
      const { id } = shop.calls.prepared[0]!;
      expect({ ...shop.calls }).toMatchObject({ committed: [], rolledBack: [] });
      expect(await shop.rows()).toEqual({});
      expect(await shop.ask(id, 0, 'one')).toBe('rollback');
    });

    test('work that throws is rolled back, and the broker is told', async () => {
      const failure = new Error('out of stock');
      const sent = shop.transactions.sendInTransaction(message, async (manager) => {
        await insertOrder('b')(manager);
        throw failure;
      });
      await expect(sent).rejects.toBe(failure);
      const { id } = shop.calls.prepared[0]!;
      expect(await shop.orders()).toEqual([]);
      expect(await shop.rows()).toEqual({});
      expect({ ...shop.calls }).toMatchObject({ committed: [], rolledBack: [id] });
    });

    test('a rollback call that fails does not hide the error of the work', async () => {
      shop.calls.onRollback = async () => Promise.reject(unreachable);
      const failure = new Error('out of stock');
      const sent = shop.transactions.sendInTransaction(message, async () => Promise.reject(failure));
      await expect(sent).rejects.toBe(failure);
      expect(await shop.ask(shop.calls.prepared[0]!.id, 0, 'one')).toBe('rollback');
    });

    test('a commit call without an answer: the work is done, and check-back commits', async () => {
      shop.calls.onCommit = async () => Promise.reject(new SendFailed(true, [], 3, unreachable));
      const done = await shop.transactions.sendInTransaction(message, insertOrder('c'));
      expect(done).toMatchObject({ result: 'c', committed: undefined });
      expect(await shop.ask(done.transactionId, 0, 'one')).toBe('commit');
      expect(await asOther(done.transactionId)).toBe('commit');
    });

    test('messages that an operator rolled back meanwhile are told of', async () => {
      const refused = new BrokerRefused('transaction-already-rolled-back', 409, 'an operator did it');
      shop.calls.onCommit = async () => Promise.reject(refused);
      await expect(shop.transactions.sendInTransaction(message, insertOrder('d'))).rejects.toBe(refused);
      expect(await shop.orders()).toEqual(['d']);
    });

    test.each([
      ['committed', TransactionRepeated],
      ['rolled_back', TransactionFenced],
    ] as const)('a prepare that is answered as %s does not run the work', async (state, error) => {
      shop.calls.onPrepare = async ({ id }) => ({ id, state, firstCheckAt: '', messages: [] });
      await expect(shop.transactions.sendInTransaction(message, insertOrder('e'))).rejects.toThrow(error);
      expect(await shop.orders()).toEqual([]);
    });
  });

  describe('an id of the application', () => {
    const options = { transactionId: 'order-7' };

    test('whose work has committed is not run again, and the messages are left to it', async () => {
      shop.calls.onCommit = async () => Promise.reject(unreachable);
      await shop.transactions.sendInTransaction(message, insertOrder('f'), options);
      const again = shop.transactions.sendInTransaction(message, insertOrder('g'), options);
      await expect(again).rejects.toThrow(TransactionRepeated);
      expect(await shop.orders()).toEqual(['f']);
      expect(shop.calls.rolledBack).toEqual([]);
    });

    test('that is in hand is refused', async () => {
      const sent = shop.transactions.sendInTransaction(message, insertOrder('h'), options);
      const again = shop.transactions.sendInTransaction(message, insertOrder('i'), options);
      await expect(again).rejects.toThrow(TransactionRepeated);
      await sent;
      expect(await shop.orders()).toEqual(['h']);
    });

    test('whose messages are rolled back can no longer commit in another attempt', async () => {
      const rolledBack = shop.transactions.sendInTransaction(
        message,
        async () => Promise.reject(new Error('no')),
        options,
      );
      await expect(rolledBack).rejects.toThrow('no');
      expect(shop.calls.rolledBack).toEqual(['order-7']);
      const again = shop.transactions.sendInTransaction(message, insertOrder('j'), options);
      await expect(again).rejects.toThrow(TransactionFenced);
      expect(await shop.orders()).toEqual([]);
    });
  });

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
      expect(await asOther(shop.calls.prepared[0]!.id)).toBe('rollback');
    });

    const sleep = { mysql: 'SELECT SLEEP(8)', postgres: 'SELECT pg_sleep(8)', sqlite: undefined }[dialect];
    if (sleep !== undefined) {
      test('a statement that still runs is not waited for, and the pool goes on', async () => {
        const narrow = await openShop({ poolSize: 1 });
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
      const slow = await openShop({}, { inHand: new InHand(10, { now: () => now }) });
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
      const narrow = await openShop({ poolSize: 1 });
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
      const bounded = await openShop({}, { inHand: new InHand(1) });
      const sent = bounded.transactions.sendInTransaction(message, insertOrder('s'));
      await expect(bounded.transactions.sendInTransaction(message, insertOrder('t'))).rejects.toThrow(SendBufferFull);
      await sent;
      expect(bounded.calls.prepared).toHaveLength(1);
    });
  });

  describe('messages that only the work knows', () => {
    test('are prepared just before the local commit', async () => {
      const other = await openShop();
      const { onPrepare } = shop.calls;
      shop.calls.onPrepare = async (transaction) => {
        expect(await other.orders()).toEqual([]);
        expect(await shop.ask(transaction.id, 0, 'one')).toBe('unknown');
        return onPrepare(transaction);
      };
      const done = await shop.transactions.transaction(async ({ id, manager, send }) => {
        await insertOrder('a')(manager);
        expect(shop.calls.prepared).toEqual([]);
        return [id, send(message), send({ ...message, id: 'given' })];
      });
      const [prepared] = shop.calls.prepared;
      const [first, second] = prepared!.messages;
      expect(done.result).toEqual([
        done.transactionId,
        { id: first!.id, topic: 'orders' },
        { id: 'given', topic: 'orders' },
      ]);
      expect(prepared).toMatchObject({ id: done.transactionId, instance: 'one' });
      expect(second).toEqual({ ...message, id: 'given' });
      expect(shop.calls.committed).toEqual([done.transactionId]);
      expect(await shop.orders()).toEqual(['a']);
    });

    test('when there are none nothing is prepared, and no fence row stays', async () => {
      const done = await shop.transactions.transaction(({ manager }) => insertOrder('b')(manager));
      expect(done).toMatchObject({ result: 'b', committed: undefined });
      expect(shop.calls).toMatchObject({ prepared: [], committed: [], rolledBack: [] });
      expect(await shop.rows()).toEqual({});
      expect(await shop.orders()).toEqual(['b']);
    });

    test('a prepare that fails rolls the work back', async () => {
      const failure = new SendFailed(true, ['tx'], 3, unreachable);
      shop.calls.onPrepare = async () => Promise.reject(failure);
      const done = shop.transactions.transaction(async ({ manager, send }) => {
        send(message);
        return insertOrder('c')(manager);
      });
      await expect(done).rejects.toBe(failure);
      expect(await shop.orders()).toEqual([]);
      expect(await shop.ask(shop.calls.prepared[0]!.id, 0, 'one')).toBe('rollback');
    });

    test('a prepare that takes too long rolls the work back', async () => {
      shop.calls.onPrepare = () => new Promise(() => undefined);
      const work = async ({ manager, send }: { manager: EntityManager; send: (sent: typeof message) => unknown }) => {
        send(message);
        return insertOrder('d')(manager);
      };
      await expect(shop.transactions.transaction(work, { timeoutMs: 200 })).rejects.toThrow(LocalTransactionTimeout);
      expect(await shop.orders()).toEqual([]);
      expect(shop.calls.committed).toEqual([]);
    });

    test('they are at most 100, and none is added after the work', async () => {
      let late: (() => unknown) | undefined;
      await shop.transactions.transaction(async ({ send }) => {
        for (let n = 0; n < 100; n += 1) send(message);
        expect(() => send(message)).toThrow(RangeError);
        late = () => send(message);
      });
      expect(shop.calls.prepared[0]!.messages).toHaveLength(100);
      expect(late).toThrow(/can no longer be added/);
    });
  });

  describe('a transaction that is not what it seems', () => {
    test('rolled back behind the work: nothing is committed', async () => {
      const sent = shop.transactions.sendInTransaction(message, async (manager) => {
        await insertOrder('a')(manager);
        await manager.query('ROLLBACK');
      });
      await expect(sent).rejects.toThrow(LocalTransactionLost);
      expect(shop.calls.committed).toEqual([]);
      expect(await shop.orders()).toEqual([]);
      expect(await asOther(shop.calls.prepared[0]!.id)).toBe('rollback');
    });

    test('committed by the work itself: check-back tells', async () => {
      const sent = shop.transactions.sendInTransaction(message, async (manager) => {
        await insertOrder('b')(manager);
        await manager.queryRunner!.commitTransaction();
      });
      await expect(sent).rejects.toThrow(OutcomeUnknown);
      expect({ ...shop.calls }).toMatchObject({ committed: [], rolledBack: [] });
      expect(await shop.ask(shop.calls.prepared[0]!.id, 0, 'one')).toBe('commit');
      expect(await shop.orders()).toEqual(['b']);
    });

    test('a statement that the work did not wait for does not get in between its end and the COMMIT', async () => {
      const prepared = deferred();
      const { onPrepare } = shop.calls;
      let late: Promise<unknown> | undefined;
      shop.calls.onPrepare = async (transaction) => {
        prepared.resolve();
        await expect(late).rejects.toThrow(/has ended/);
        return onPrepare(transaction);
      };
      const done = await shop.transactions.transaction(async ({ manager, send }) => {
        send(message);
        late = prepared.promise.then(() => insertOrder('late')(manager));
        late.catch(() => undefined);
        return insertOrder('early')(manager);
      });
      expect(done.committed).toMatchObject({ state: 'committed' });
      expect(await shop.orders()).toEqual(['early']);
    });

    test('a statement that failed and was swallowed does not become a commit of nothing', async () => {
      const sent = shop.transactions.sendInTransaction(message, async (manager) => {
        await insertOrder('c')(manager);
        await insertOrder('c')(manager).catch(() => undefined);
      });
      if (dialect === 'postgres') {
        await expect(sent).rejects.toThrow(LocalTransactionLost);
        expect(shop.calls).toMatchObject({ committed: [], rolledBack: [shop.calls.prepared[0]!.id] });
        expect(await shop.orders()).toEqual([]);
      } else {
        await expect(sent).resolves.toMatchObject({ committed: { state: 'committed' } });
        expect(await shop.orders()).toEqual(['c']);
      }
    });
  });

  describe('connections', () => {
    test('a pool of one is enough, for many at once', async () => {
      const narrow = await openShop({ poolSize: 1 });
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
      const narrow = await openShop({ poolSize: 1 });
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
