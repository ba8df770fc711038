import { applicationServers, type ApplicationDatabase } from './application-database.js';
import { deferred, insertOrder, message, Shop } from './shop.js';

describe('a busy SQLite file', () => {
  let database: ApplicationDatabase;
  let shop: Shop;
  let other: Shop;

  beforeEach(async () => {
    database = await (await applicationServers[0]!.provide()).prepare();
    shop = new Shop(await database.open({ timeout: 0 }));
    other = new Shop(await database.open({ timeout: 0 }), { instance: 'two' });
  });
  afterEach(async () => {
    await Promise.all([shop.fence.stop(), other.fence.stop()]);
    await database.close();
  });

  /** A local transaction of the shop that has written, while `act` runs. */
  const whileOpen = async (act: () => Promise<void>): Promise<unknown> => {
    const [begun, goOn] = [deferred(), deferred()];
    const sent = shop.transactions.sendInTransaction(message, async (manager) => {
      await insertOrder('a')(manager);
      begun.resolve();
      await goOn.promise;
    });
    await begun.promise;
    await act();
    goOn.resolve();
    return sent;
  };

  test('a purge that found it busy leaves no lock behind that fails a COMMIT', async () => {
    await whileOpen(async () => {
      await expect(other.fence.runOnce()).rejects.toMatchObject({ code: 'SQLITE_BUSY' });
      expect(await other.ask('tx-other', 0)).toBe('unknown');
    });
    expect(await shop.orders()).toEqual(['a']);
  });

  test('a local transaction that found it busy leaves none behind either', async () => {
    await whileOpen(async () => {
      const refused = other.transactions.sendInTransaction(message, insertOrder('b'));
      await expect(refused).rejects.toMatchObject({ code: 'SQLITE_BUSY' });
    });
    expect(await shop.orders()).toEqual(['a']);
    expect(other.calls.rolledBack).toHaveLength(1);
    await other.transactions.sendInTransaction(message, insertOrder('c'));
    expect(await shop.orders()).toEqual(['a', 'c']);
  });
});
