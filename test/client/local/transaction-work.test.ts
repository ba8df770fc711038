import type { EntityManager } from 'typeorm';
import {
  BrokerUnreachable,
  LocalTransactionLost,
  LocalTransactionTimeout,
  OutcomeUnknown,
  SendFailed,
} from '../../../src/client/errors.js';
import { applicationServers } from './application-database.js';
import { deferred, insertOrder, message, type Shop } from './shop.js';
import { Shops } from './shops.js';

const unreachable = new BrokerUnreachable('http://broker', true, new Error('gone'));

describe.each(applicationServers)('the work of local transactions on $name', (server) => {
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

  describe('messages that only the work knows', () => {
    test('are prepared just before the local commit', async () => {
      const other = await shops.open();
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
      expect(await shop.ask(shop.calls.prepared[0]!.id)).toBe('rollback');
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
      if (server.dialect === 'postgres') {
        await expect(sent).rejects.toThrow(LocalTransactionLost);
        expect(shop.calls).toMatchObject({ committed: [], rolledBack: [shop.calls.prepared[0]!.id] });
        expect(await shop.orders()).toEqual([]);
      } else {
        await expect(sent).resolves.toMatchObject({ committed: { state: 'committed' } });
        expect(await shop.orders()).toEqual(['c']);
      }
    });
  });
});
