import type { DataSource, EntityManager } from 'typeorm';
import { InboxBusy, LocalTransactionLost, NestedLocalTransaction } from '../../../src/client/index.js';
import { Inbox } from '../../../src/client/local/inbox/inbox.js';
import { Outbox } from '../../../src/client/local/outbox/outbox.js';
import { TcpProxy, type CutPoint } from '../../faults/tcp-proxy.js';
import { until } from '../../queue/until.js';
import { applicationServers, networkServers, type ApplicationDatabase } from '../local/application-database.js';
import { deferred, insertOrder } from '../local/shop.js';

const dayMs = 24 * 3_600_000;
/** No `once` sends more packets than this, connecting included. */
const packetsMax = 50;
let named = 0;
const message = (topic = 'orders') => ({ id: `m${(named += 1)}`, topic });

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

describe.each(networkServers)('inbox on $name, over connections', ({ provide, dialect }) => {
  let database: ApplicationDatabase;
  let direct: DataSource;
  let proxy: TcpProxy;
  let proxied: DataSource;

  beforeAll(async () => {
    database = await (await provide()).prepare();
    direct = await database.open({ poolSize: 2 });
    const { hostname, port } = new URL(database.address);
    proxy = await TcpProxy.before(hostname, Number(port));
    proxied = await database.open({ poolSize: 1 }, proxy.through(database.address));
  });
  afterAll(async () => {
    await database.close();
    await proxy.close();
  });

  test.each<CutPoint>(['before-server', 'before-answer'])(
    'a connection that is cut anywhere (%s): it rejects, and the next delivery finds all or nothing',
    async (point) => {
      const found = { all: 0, nothing: 0 };
      for (let packets = 0; packets < packetsMax; packets += 1) {
        const m = message();
        proxy.cutAt(packets, point);
        const once = new Inbox(proxied).once(m, 'g', insertOrder(m.id));
        const failed = await once.then(
          () => false,
          () => true,
        );
        if (proxy.disarm()) {
          expect(failed).toBe(false);
          break;
        }
        expect(failed).toBe(true);
        await proxy.settled();
        const again = await new Inbox(direct).once(m, 'g', insertOrder(m.id));
        found[again.done ? 'nothing' : 'all'] += 1;
        const [{ held }] = await direct.query(`SELECT COUNT(*) AS held FROM shop_order WHERE id = '${m.id}'`);
        expect(Number(held)).toBe(1);
      }
      expect(found.nothing).toBeGreaterThan(5);
      // Only a COMMIT whose answer is lost.
      expect(found.all).toBe(point === 'before-answer' ? 1 : 0);
    },
  );

  test('a failed statement that the work swallows: PostgreSQL can no longer commit, and it is not taken for done', async () => {
    const taken = message().id;
    await insertOrder(taken)(direct.manager);
    const m = message();
    const inbox = new Inbox(direct);
    const once = inbox.once(m, 'g', async (manager) => {
      await insertOrder(m.id)(manager);
      await insertOrder(taken)(manager).catch(() => undefined);
    });
    if (dialect === 'postgres') await expect(once).rejects.toThrow(LocalTransactionLost);
    else expect(await once).toMatchObject({ done: true });
    const isFirst = dialect === 'postgres';
    expect(await inbox.once(m, 'g', insertOrder(m.id))).toMatchObject({ done: isFirst });
  });

  if (dialect === 'mysql')
    test('a deadlock that the work swallows: nothing that it writes afterwards stays, though another delivery has done it', async () => {
      const m = message();
      const [mine, theirs, after] = ['mine', 'theirs', 'after'].map((name) => `${name}-${m.id}`) as [
        string,
        string,
        string,
      ];
      for (const id of [mine, theirs]) await insertOrder(id)(direct.manager);
      const many = await database.open({ poolSize: 3 });
      const lock = (manager: EntityManager, id: string) =>
        manager.query(`UPDATE shop_order SET note = 'locked' WHERE id = '${id}'`);
      const inbox = new Inbox(many);
      const repeat = deferred<unknown>();
      const once = inbox.once(m, 'g', async (manager) => {
        await lock(manager, mine);
        const other = many.transaction(async (rival) => {
          // Has written more, so that the database ends the other one.
          for (let n = 0; n < 20; n += 1) await insertOrder(`rival-${n}-${m.id}`)(rival);
          await lock(rival, theirs);
          await lock(rival, mine);
        });
        await until('the rival waits for it', async () => {
          const [{ Status: status }] = (await direct.query('SHOW ENGINE INNODB STATUS')) as [{ Status: string }];
          // Before that it tells of earlier deadlocks.
          return status.split('LIST OF TRANSACTIONS')[1]!.includes('LOCK WAIT');
        });
        // The driver has the second one before the first one is answered.
        const atOnce = [lock(manager, theirs), insertOrder(`beside-${after}`)(manager)];
        await Promise.allSettled(atOnce);
        await other;
        repeat.resolve(await new Inbox(direct).once(m, 'g', async () => 'done elsewhere'));
        await insertOrder(after)(manager).catch(() => undefined);
      });
      await expect(once).rejects.toThrow(LocalTransactionLost);
      expect(await repeat.promise).toEqual({ done: true, result: 'done elsewhere' });
      expect(await direct.query(`SELECT id FROM shop_order WHERE id LIKE '%${after}'`)).toEqual([]);
    });

  test('the bound of the lock wait is the inbox’s only', async () => {
    const read = {
      mysql: 'SELECT @@SESSION.innodb_lock_wait_timeout AS wait',
      postgres: `SELECT current_setting('lock_timeout') AS wait`,
      sqlite: '',
    }[dialect];
    const dataSource = await database.open({ poolSize: 1 });
    const [before] = await dataSource.query(read);
    const m = message();
    const inbox = new Inbox(dataSource, { lockWaitMs: 3_000 });
    expect(await inbox.once(m, 'g', (manager) => manager.query(read))).toEqual({ done: true, result: [before] });
    await inbox.once(m, 'g', async () => undefined);
    expect(await dataSource.query(read)).toEqual([before]);
  });

  test.each(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const)(
    'at %s the work runs once for deliveries at once',
    async (isolation) => {
      const m = message();
      const dataSource = await database.open({ poolSize: 10 });
      const inbox = new Inbox(dataSource, { isolation });
      const all = await Promise.allSettled(Array.from({ length: 10 }, () => inbox.once(m, 'g', insertOrder(m.id))));
      expect(all.filter((each) => each.status === 'fulfilled' && each.value.done)).toHaveLength(1);
      expect(await inbox.once(m, 'g', insertOrder(m.id))).toEqual({ done: false });
    },
  );
});
