import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataSource } from 'typeorm';
import { applicationServers, type ApplicationDatabase } from '../client/local/application-database.js';
import { TcpProxy } from '../faults/tcp-proxy.js';
import { freePort } from '../setup/private-server.mjs';
import { BrokerProcess, eventually } from '../system/broker-process.js';
import { ExampleProcess } from './example-process.js';

const mysql = applicationServers.find(({ dialect }) => dialect === 'mysql')!;
const billingFile = 'dist/examples/nestjs-billing/main.js';
const variants = [
  { name: 'nestjs-orders', file: 'dist/examples/nestjs-orders/main.js' },
  { name: 'plain-orders', file: 'examples/plain-orders/order-service.mjs' },
];
/** Processes are started and killed while other suites run. */
const testMsMax = 180_000;

describe.each(variants)('$name and nestjs-billing', ({ file }) => {
  let folder: string;
  let broker: BrokerProcess;
  /** The way of the services to the broker. */
  let way: TcpProxy;
  let brokerUrl: string;
  let databases: { shop: ApplicationDatabase; billing: ApplicationDatabase };
  let shop: DataSource;
  let billing: DataSource;
  let orders: ExampleProcess;
  let bills: ExampleProcess;

  const startOrders = () => ExampleProcess.start(file, { BROKER_URL: brokerUrl, DATABASE_URL: databases.shop.address });
  const startBilling = () =>
    ExampleProcess.start(billingFile, { BROKER_URL: brokerUrl, DATABASE_URL: databases.billing.address });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'halfbox-examples-'));
    const port = await freePort();
    way = await TcpProxy.before('127.0.0.1', port);
    brokerUrl = new URL(way.through('http://broker')).origin;
    const starting = BrokerProcess.start({
      HALFBOX_PORT: String(port),
      // Where clients find it, too.
      HALFBOX_ADVERTISE_URL: brokerUrl,
      HALFBOX_STORE_URL: `sqlite:${join(folder, 'halfbox.db')}`,
      HALFBOX_FIRST_CHECK_AFTER_MS: '500',
      HALFBOX_CHECK_INTERVAL_MS: '500',
      HALFBOX_CHECK_MAX: '100',
    });
    databases = { shop: await mysql.provide(), billing: await mysql.provide() };
    broker = await starting;
    [orders, bills] = await Promise.all([startOrders(), startBilling()]);
    [shop, billing] = [await databases.shop.open(), await databases.billing.open()];
  }, testMsMax);
  afterAll(async () => {
    await Promise.all([orders?.kill(), bills?.kill()]);
    await broker?.stop();
    await way?.close();
    await Promise.all([databases?.shop.close(), databases?.billing.close()]);
    rmSync(folder, { recursive: true, force: true });
  }, testMsMax);

  const billed = async (): Promise<string[]> =>
    ((await billing.query('SELECT order_id FROM bill')) as { order_id: string }[]).map(({ order_id }) => order_id);
  const ordered = async (item: string): Promise<string | undefined> =>
    ((await shop.query('SELECT id FROM shop_order WHERE item = ?', [item])) as { id: string }[])[0]?.id;
  const untilBilled = (id: string) =>
    eventually(`bill of ${id}`, async () => ((await billed()).includes(id) ? id : undefined), 60_000);
  const settled = () =>
    eventually('an end of every delivery', async () => {
      const { body } = await broker.get('/v1/subscriptions/orders/billing');
      return body.backlog + body.inFlight + body.retrying === 0 ? true : undefined;
    });
  const transactionOf = async (order: string) => {
    const { body } = await broker.get(`/v1/messages?topic=orders&key=${order}`);
    return (await broker.get(`/v1/transactions/${body.items[0].transactionId}`)).body;
  };

  /** Runs `act` while nobody can write to the table, and then lets them. */
  async function whileLocked(database: DataSource, table: string, act: () => Promise<void>): Promise<void> {
    const runner = database.createQueryRunner();
    await runner.query(`LOCK TABLES ${table} WRITE`);
    try {
      await act();
    } finally {
      await runner.query('UNLOCK TABLES');
      await runner.release();
    }
  }

  /** Resolves when an INSERT into the table waits for it. */
  const untilWaiting = (database: DataSource, table: string) =>
    eventually(`INSERT that waits for ${table}`, async () => {
      const waiting = (await database.query(
        `SELECT 1 FROM information_schema.processlist
         WHERE db = DATABASE() AND state LIKE 'Waiting for table%' AND info LIKE 'INSERT INTO%${table}%'`,
      )) as unknown[];
      return waiting.length > 0 ? true : undefined;
    });

  test(
    'an order is placed, and billed once',
    async () => {
      const { status, body } = await orders.post('/orders', { item: 'tea', euros: 4 });
      expect(status).toBe(201);
      await untilBilled(body.id);
      expect(await ordered('tea')).toBe(body.id);
      expect(await transactionOf(body.id)).toMatchObject({ state: 'committed', resolvedBy: 'client' });
    },
    testMsMax,
  );

  test(
    'an order whose local transaction fails is never billed',
    async () => {
      const { status, body } = await orders.post('/orders', { item: 'gold bar', euros: 60_000 });
      expect([status, body.message]).toEqual([422, 'the card was refused']);
      expect(await ordered('gold bar')).toBeUndefined();
      await settled();
      const { items } = (await broker.get('/v1/transactions?producer=shop&state=prepared')).body;
      expect(items).toEqual([]);
      expect(await billed()).toEqual([await ordered('tea')]);
    },
    testMsMax,
  );

  test(
    'killed between its local commit and the call to the broker: another instance is asked, and the order is billed once',
    async () => {
      let lost: Promise<unknown>;
      await whileLocked(shop, 'shop_order', async () => {
        lost = orders.post('/orders', { item: 'book', euros: 12 }).catch(() => 'no answer');
        await untilWaiting(shop, 'shop_order');
        way.freeze();
      });
      const id = await eventually('order in the database', () => ordered('book'));
      await orders.kill();
      expect(await lost!).toBe('no answer');
      way.recover();
      expect(await billed()).not.toContain(id);
      orders = await startOrders();
      await untilBilled(id);
      expect(await transactionOf(id)).toMatchObject({ state: 'committed', resolvedBy: 'check' });
    },
    testMsMax,
  );

  test(
    'billing killed after its commit and before its acknowledgement: the message comes again, and bills nothing',
    async () => {
      let id = '';
      await whileLocked(billing, 'bill', async () => {
        id = (await orders.post('/orders', { item: 'lamp', euros: 30 })).body.id;
        await untilWaiting(billing, 'bill');
        way.freeze();
      });
      await untilBilled(id);
      await bills.kill();
      way.recover();
      bills = await startBilling();
      // Everything from the beginning, so that nobody waits for the end of the killed one's visibility.
      await broker.post('/v1/subscriptions/orders/billing/seek', { to: 'earliest' });
      await bills.line('lamp was billed before');
      await settled();
      const expected = (await Promise.all(['tea', 'book', 'lamp'].map(ordered))) as string[];
      expect((await billed()).sort()).toEqual(expected.sort());
    },
    testMsMax,
  );

  test(
    'asked to stop, the order service finishes the order that it has in hand, and billing ends',
    async () => {
      let placed: ReturnType<ExampleProcess['post']>;
      let stopped: Promise<unknown>;
      await whileLocked(shop, 'shop_order', async () => {
        placed = orders.post('/orders', { item: 'chair', euros: 90 });
        await untilWaiting(shop, 'shop_order');
        stopped = orders.stop();
      });
      const { status, body } = await placed!;
      expect(status).toBe(201);
      await stopped!;
      expect(await transactionOf(body.id)).toMatchObject({ state: 'committed', resolvedBy: 'client' });
      await untilBilled(body.id);
      await bills.stop();
    },
    testMsMax,
  );
});
