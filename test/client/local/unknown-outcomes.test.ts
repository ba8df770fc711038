import { EventSubscriber, type BeforeQueryEvent, type DataSource, type EntitySubscriberInterface } from 'typeorm';
import { OutcomeUnknown } from '../../../src/client/errors.js';
import { TcpProxy, type CutPoint } from '../../faults/tcp-proxy.js';
import { until } from '../../queue/until.js';
import { networkServers, type ApplicationDatabase } from './application-database.js';
import { insertOrder, message, Shop } from './shop.js';

/** What a test does to the connection just before the COMMIT or the ROLLBACK is sent on it. */
let beforeEnd = (): void => undefined;

@EventSubscriber()
class BeforeEnd implements EntitySubscriberInterface {
  beforeQuery({ query }: BeforeQueryEvent): void {
    if (query === 'COMMIT' || query === 'ROLLBACK') beforeEnd();
  }
}

describe.each(networkServers)('a local transaction on $name whose end is not answered', ({ provide }) => {
  let database: ApplicationDatabase;
  let proxy: TcpProxy;
  let shop: Shop;
  let direct: Shop;

  beforeAll(async () => {
    database = await (await provide()).prepare();
    direct = new Shop(await database.open(), { instance: 'two' });
    const { hostname, port } = new URL(database.address);
    proxy = await TcpProxy.before(hostname, Number(port));
  });
  beforeEach(async () => {
    const more = { subscribers: [BeforeEnd], poolSize: 1 };
    const dataSource: DataSource = await database.open(more, proxy.through(database.address));
    shop = new Shop(dataSource, { endTimeoutMs: 2_000 });
    await direct.dataSource.query('DELETE FROM shop_order');
  });
  afterEach(async () => {
    beforeEnd = () => undefined;
    proxy.recover();
    await shop.fence.stop();
    await shop.dataSource.destroy();
  });
  afterAll(async () => {
    await proxy.close();
    await direct.fence.stop();
    await database.close();
  });

  /** Once: the ends of later transactions go through. */
  const atNextEnd = (act: () => void): Promise<void> =>
    new Promise((resolve) => {
      beforeEnd = () => {
        beforeEnd = () => undefined;
        act();
        resolve();
      };
    });

  /** Asks like a broker, until the database has noticed what happened to its connection. */
  const truth = (id: string) =>
    until('an answer', async () => {
      const answer = await shop.ask(id, 1_000, 'one');
      return answer === 'unknown' ? undefined : answer;
    });

  test.each<[CutPoint, 'commit' | 'rollback', string[]]>([
    ['before-answer', 'commit', ['a']],
    ['before-server', 'rollback', []],
  ])('COMMIT is cut %s: OutcomeUnknown, nothing is called, and a check says %s', async (point, answer, orders) => {
    void atNextEnd(() => proxy.cutAt(0, point));
    const sent = shop.transactions.sendInTransaction(message, insertOrder('a'));
    await expect(sent).rejects.toThrow(OutcomeUnknown);
    expect(proxy.disarm()).toBe(false);
    const { id } = shop.calls.prepared[0]!;
    await expect(sent).rejects.toMatchObject({ code: 'outcome-unknown', transactionId: id });
    expect({ ...shop.calls }).toMatchObject({ committed: [], rolledBack: [] });
    expect(shop.fence.inHand.size).toBe(0);
    expect(await truth(id)).toBe(answer);
    expect(await direct.orders()).toEqual(orders);
    // Other instances say the same, and the pool of one goes on.
    expect(await direct.ask(id, 0)).toBe(answer);
    await expect(shop.transactions.sendInTransaction(message, insertOrder('b'))).resolves.toMatchObject({
      result: 'b',
    });
  });

  test('the same for messages that only the work knows', async () => {
    void atNextEnd(() => proxy.cutAt(0, 'before-answer'));
    const sent = shop.transactions.transaction(async ({ manager, send }) => {
      send(message);
      return insertOrder('c')(manager);
    });
    await expect(sent).rejects.toThrow(OutcomeUnknown);
    expect({ ...shop.calls }).toMatchObject({ committed: [], rolledBack: [] });
    expect(await truth(shop.calls.prepared[0]!.id)).toBe('commit');
    expect(await direct.orders()).toEqual(['c']);
  });

  test('COMMIT is swallowed: it is in hand until its time is over, and a check tells then', async () => {
    const frozen = atNextEnd(() => proxy.freeze());
    const sent = shop.transactions.sendInTransaction(message, insertOrder('d'));
    const unknown = expect(sent).rejects.toThrow(OutcomeUnknown);
    await frozen;
    const { id } = shop.calls.prepared[0]!;
    expect(shop.fence.inHand.has(id)).toBe(true);
    // The row is locked by the transaction, which is still open at the server: another instance cannot tell.
    expect(await direct.ask(id, 3_600_000, 'one')).toBe('unknown');
    await unknown;
    expect(shop.fence.inHand.has(id)).toBe(false);
    proxy.recover();
    await proxy.settled();
    expect(await truth(id)).toBe('rollback');
    expect(await direct.orders()).toEqual([]);
    expect({ ...shop.calls }).toMatchObject({ committed: [], rolledBack: [] });
  });

  test('a ROLLBACK that is not answered: the error of the work, no call, and check-back rolls back', async () => {
    void atNextEnd(() => proxy.cutAt(0, 'before-answer'));
    const failure = new Error('out of stock');
    const sent = shop.transactions.sendInTransaction(message, async (manager) => {
      await insertOrder('e')(manager);
      throw failure;
    });
    await expect(sent).rejects.toBe(failure);
    expect(proxy.disarm()).toBe(false);
    expect({ ...shop.calls }).toMatchObject({ committed: [], rolledBack: [] });
    expect(await truth(shop.calls.prepared[0]!.id)).toBe('rollback');
    expect(await direct.orders()).toEqual([]);
  });

  test('a connection that is lost in the work is an error of the work', async () => {
    const sent = shop.transactions.sendInTransaction(message, async (manager) => {
      await insertOrder('f')(manager);
      proxy.cutAt(0, 'before-answer');
      await insertOrder('g')(manager);
    });
    await expect(sent).rejects.not.toThrow(OutcomeUnknown);
    expect({ ...shop.calls }).toMatchObject({ committed: [], rolledBack: [] });
    expect(await truth(shop.calls.prepared[0]!.id)).toBe('rollback');
    expect(await direct.orders()).toEqual([]);
  });
});
