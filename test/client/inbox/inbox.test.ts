import type { DataSource, EntityManager } from 'typeorm';
import { InboxBusy, LocalTransactionLost, NestedLocalTransaction } from '../../../src/client/index.js';
import { Inbox } from '../../../src/client/local/inbox/inbox.js';
import { Outbox } from '../../../src/client/local/outbox/outbox.js';
import { until } from '../../queue/until.js';
import { applicationServers, type ApplicationDatabase } from '../local/application-database.js';
import { deferred, insertOrder } from '../local/shop.js';
import { message } from './messages.js';

const dayMs = 24 * 3_600_000;

describe.each(applicationServers)('inbox on $name', ({ provide, dialect }) => {
  let database: ApplicationDatabase;
  let dataSource: DataSource;
  let inbox: Inbox;

  beforeAll(async () => {
    database = await (await provide()).prepare();
    dataSource = await database.open({ poolSize: 25 });
    inbox = new Inbox(dataSource, { lockWaitMs: 5_000 });
  });
  beforeEach(async () => {
    await dataSource.query('DELETE FROM halfbox_inbox');
    await dataSource.query('DELETE FROM shop_order');
  });
  afterAll(() => database.close());

  const orders = async (): Promise<string[]> => {
    const rows = (await dataSource.query('SELECT id FROM shop_order ORDER BY id')) as { id: string }[];
    return rows.map(({ id }) => id);
  };
  const rows = async () => Number((await dataSource.query('SELECT COUNT(*) AS held FROM halfbox_inbox'))[0].held);

  test('the first delivery runs, a repeat does not, another group does', async () => {
    const m = message();
    expect(await inbox.once(m, 'billing', insertOrder('a'))).toEqual({ done: true, result: 'a' });
    expect(await inbox.once(m, 'billing', insertOrder('b'))).toEqual({ done: false });
    expect(await inbox.once(m, 'shipping', insertOrder('c'))).toEqual({ done: true, result: 'c' });
    expect(await orders()).toEqual(['a', 'c']);
  });

  test('work that throws leaves nothing behind and runs again', async () => {
    const m = message();
    const failing = inbox.once(m, 'g', async (manager) => {
      await insertOrder('a')(manager);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect([await orders(), await rows()]).toEqual([[], 0]);
    expect(await inbox.once(m, 'g', insertOrder('a'))).toEqual({ done: true, result: 'a' });
  });

  test('a statement that fails in the work is thrown as it is', async () => {
    const m = message();
    await inbox.once(message(), 'g', insertOrder('a'));
    await expect(inbox.once(m, 'g', insertOrder('a'))).rejects.toMatchObject({ name: 'QueryFailedError' });
    expect(await inbox.once(m, 'g', insertOrder('b'))).toEqual({ done: true, result: 'b' });
  });

  test('20 deliveries at once: the work runs once', async () => {
    const m = message();
    let runs = 0;
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        inbox.once(m, 'g', async (manager) => {
          runs += 1;
          return insertOrder(`o${n}`)(manager);
        }),
      ),
    );
    expect(all.filter(({ done }) => done)).toHaveLength(1);
    expect([runs, (await orders()).length, await rows()]).toEqual([1, 1, 1]);
  });

  test('20 deliveries at once of which the first ones fail: one of the others runs', async () => {
    const m = message();
    let runs = 0;
    const all = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) =>
        inbox.once(m, 'g', async (manager) => {
          runs += 1;
          const isBad = runs <= 3;
          await insertOrder(`o${n}`)(manager);
          if (isBad) throw new Error('bad');
        }),
      ),
    );
    const done = all.filter((each) => each.status === 'fulfilled' && each.value.done);
    expect(done).toHaveLength(1);
    expect([runs, (await orders()).length]).toEqual([4, 1]);
    // Whoever did not run it saw that it is done, or was told to come again.
    for (const each of all) {
      if (each.status === 'rejected' && each.reason.message !== 'bad') expect(each.reason).toBeInstanceOf(InboxBusy);
    }
  });

  test('a delivery waits for the one before it; beyond the bound it is told to come again', async () => {
    const m = message();
    const isRunning = deferred();
    const mayEnd = deferred();
    const first = inbox.once(m, 'g', async (manager) => {
      isRunning.resolve();
      await mayEnd.promise;
      return insertOrder('a')(manager);
    });
    await isRunning.promise;
    const impatient = new Inbox(dataSource, { lockWaitMs: 1_000 });
    const told: unknown = await impatient.once(m, 'g', insertOrder('b')).catch((error: unknown) => error);
    expect(told).toMatchObject({ constructor: InboxBusy, code: 'inbox-busy', group: 'g', messageId: m.id });
    const second = inbox.once(m, 'g', insertOrder('b'));
    mayEnd.resolve();
    expect([await first, await second]).toEqual([{ done: true, result: 'a' }, { done: false }]);
  });

  test('a business key takes the place of the id, by topic', async () => {
    const once = (topic: string, key: string, id: string) => inbox.once(message(topic), 'g', insertOrder(id), { key });
    for (const [n, key] of ['order-7', 'Order-7', 'größe ✓', 'x'.repeat(1_000), "it's"].entries()) {
      expect(await once('orders', key, `a${n}`)).toMatchObject({ done: true });
      expect(await once('orders', key, `b${n}`)).toEqual({ done: false });
      expect(await once('refunds', key, `c${n}`)).toMatchObject({ done: true });
    }
    const id = 'same';
    await inbox.once({ id, topic: 'orders' }, 'g', insertOrder('d'));
    expect(await once('orders', id, 'e')).toMatchObject({ done: true });
  });

  test('an id that another topic has too is another message', async () => {
    const id = 'i'.repeat(64);
    const topics = ['orders', 'refunds', 't'.repeat(127)];
    for (const topic of topics) {
      expect(await inbox.once({ id, topic }, 'g', insertOrder(topic.slice(0, 9)))).toMatchObject({ done: true });
      expect(await inbox.once({ id, topic }, 'g', insertOrder('again'))).toEqual({ done: false });
    }
    expect(await orders()).toEqual(['orders', 'refunds', 'ttttttttt']);
  });

  test.each([
    ['a bad group', { id: 'a', topic: 't' }, 'a b', {}],
    ['a bad id', { id: 'a b', topic: 't' }, 'g', {}],
    ['an empty key', { id: 'a', topic: 't' }, 'g', { key: '' }],
    ['a long key', { id: 'a', topic: 't' }, 'g', { key: 'x'.repeat(1_001) }],
  ])('%s is refused', async (_what, given, group, options) => {
    await expect(inbox.once(given, group, insertOrder('a'), options)).rejects.toThrow(TypeError);
    expect(await orders()).toEqual([]);
  });

  test('a message that the work adds to the outbox shares the transaction', async () => {
    const outbox = new Outbox(dataSource);
    const m = message();
    const work = async (manager: EntityManager) => void (await outbox.add(manager, { topic: 'invoices', body: 1 }));
    await inbox.once(m, 'g', work);
    await inbox.once(m, 'g', work);
    expect(await outbox.counts()).toMatchObject({ waiting: 1 });
  });

  test('an inbox in the work of an inbox is refused', async () => {
    const nested = inbox.once(message(), 'g', () => inbox.once(message(), 'g', insertOrder('a')));
    await expect(nested).rejects.toThrow(NestedLocalTransaction);
    expect([await orders(), await rows()]).toEqual([[], 0]);
  });

  test('a statement that the work did not wait for cannot break the COMMIT', async () => {
    await insertOrder('taken')(dataSource.manager);
    const m = message();
    const stray = deferred<unknown>();
    const once = inbox.once(m, 'g', async (manager) => {
      await insertOrder('a')(manager);
      const late = Promise.resolve().then(() => new Promise(setImmediate));
      void late.then(() => insertOrder('taken')(manager)).catch((error: unknown) => stray.resolve(error));
    });
    expect(await once).toMatchObject({ done: true });
    expect(await stray.promise).toBeInstanceOf(Error);
    expect(await orders()).toEqual(['a', 'taken']);
    expect(await inbox.once(m, 'g', insertOrder('b'))).toEqual({ done: false });
  });

  test('a transaction that the work rolled back behind the inbox is not taken for done', async () => {
    const m = message();
    const work = async (manager: EntityManager) => {
      await manager.query('ROLLBACK');
    };
    await expect(inbox.once(m, 'g', work)).rejects.toThrow(LocalTransactionLost);
    expect(await inbox.once(m, 'g', insertOrder('a'))).toMatchObject({ done: true });
  });

  test('old rows are purged in small batches, by several instances at once', async () => {
    const values = Array.from({ length: 1_200 }, (_, n) => `('g', 'id:old-${n}', 1)`).join(', ');
    await dataSource.query(`INSERT INTO halfbox_inbox (consumer_group, done_key, created_at) VALUES ${values}`);
    const m = message();
    await inbox.once(m, 'g', insertOrder('a'));
    expect([await inbox.runOnce(), await rows()]).toEqual([true, 701]);
    const purging = [0, 1].map(() => new Inbox(dataSource, { purgeMax: 100, purgeIntervalMs: 100 }));
    for (const each of purging) each.start();
    await until('only the new row', async () => (await rows()) === 1);
    for (const each of purging) await each.stop();
    expect(await inbox.runOnce()).toBe(false);
    expect(await inbox.once(m, 'g', insertOrder('b'))).toEqual({ done: false });
  });

  test('rows are kept as long as the option says', async () => {
    const clock = {
      mysql: 'UNIX_TIMESTAMP() * 1000',
      postgres: 'extract(epoch FROM now()) * 1000',
      sqlite: 'unixepoch() * 1000',
    };
    const ages = { young: 7 * dayMs - 3_600_000, old: 7 * dayMs + 3_600_000 };
    for (const [name, ageMs] of Object.entries(ages)) {
      await dataSource.query(
        `INSERT INTO halfbox_inbox (consumer_group, done_key, created_at) VALUES ('g', 'id:t/${name}', ${clock[dialect]} - ${ageMs})`,
      );
    }
    await inbox.runOnce();
    expect(await inbox.once({ id: 'young', topic: 't' }, 'g', insertOrder('a'))).toEqual({ done: false });
    expect(await inbox.once({ id: 'old', topic: 't' }, 'g', insertOrder('b'))).toMatchObject({ done: true });
  });

  test('an option out of its bounds is refused', () => {
    expect(() => new Inbox(dataSource, { retentionMs: 1 })).toThrow(RangeError);
    expect(() => new Inbox(dataSource, { lockWaitMs: 10 })).toThrow(RangeError);
    expect(() => new Inbox(dataSource, { purgeMax: 0 })).toThrow(RangeError);
  });
});
