import type { DataSource, EntityManager } from 'typeorm';
import { LocalTransactionLost } from '../../../src/client/index.js';
import { Inbox } from '../../../src/client/local/inbox/inbox.js';
import { TcpProxy, type CutPoint } from '../../faults/tcp-proxy.js';
import { until } from '../../queue/until.js';
import { networkServers, type ApplicationDatabase } from '../local/application-database.js';
import { deferred, insertOrder } from '../local/shop.js';
import { message } from './messages.js';

/** No `once` sends more packets than this, connecting included. */
const packetsMax = 50;

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
        let rivalId: number | undefined;
        const other = many.transaction(async (rival) => {
          [{ rivalId }] = await rival.query('SELECT CONNECTION_ID() AS rivalId');
          // Has written more, so that the database ends the other one.
          for (let n = 0; n < 20; n += 1) await insertOrder(`rival-${n}-${m.id}`)(rival);
          await lock(rival, theirs);
          await lock(rival, mine);
        });
        await until('the rival waits for it', async () => {
          const [{ Status: status }] = (await direct.query('SHOW ENGINE INNODB STATUS')) as [{ Status: string }];
          // Those of other suites may wait as well.
          return status
            .split('---TRANSACTION')
            .some((told) => told.includes(` thread id ${rivalId},`) && told.includes('LOCK WAIT'));
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
