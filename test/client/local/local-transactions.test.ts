import {
  BrokerRefused,
  BrokerUnreachable,
  SendFailed,
  TransactionFenced,
  TransactionRepeated,
} from '../../../src/client/errors.js';
import type { TopicMessage } from '../../../src/client/producer/topic-map.js';
import { applicationServers, networkServers } from './application-database.js';
import { insertOrder, message, Shop } from './shop.js';
import { Shops } from './shops.js';

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

describe.each(applicationServers)('local transactions on $name', (server) => {
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
      expect(await shop.ask(done.transactionId)).toBe('commit');
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
});
