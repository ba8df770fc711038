import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Controller, Injectable, Module } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { InjectDataSource, TypeOrmModule } from '@nestjs/typeorm';
import { Redis } from 'ioredis';
import { DataSource } from 'typeorm';
import {
  HalfboxBroker,
  HalfboxClientModule,
  HalfboxContext,
  HalfboxModule,
  HalfboxServer,
  Inbox,
  InjectInbox,
  InjectOutbox,
  Outbox,
  Producer,
  RedisInbox,
  type HalfboxClientModuleOptions,
} from '../../../src/index.js';
import { HalfboxTestingModule } from '../../../src/testing/index.js';
import { applicationServers, type ApplicationDatabase } from '../../client/local/application-database.js';

type Imports = NonNullable<Parameters<typeof Module>[0]['imports']>;
interface Topics {
  orders: { order: string };
  mails: string;
}

@Injectable()
class Orders {
  constructor(
    readonly outbox: Outbox<Topics>,
    readonly inbox: Inbox,
    @InjectDataSource() readonly database: DataSource,
  ) {}

  async place(order: string, then: () => Promise<void> = async () => {}): Promise<void> {
    await this.database.transaction(async (manager) => {
      await manager.query(`INSERT INTO shop_order (id, note) VALUES ('${order}', 'new')`);
      await this.outbox.add(manager, { topic: 'orders', orderingKey: order, body: { order } });
      await then();
    });
  }
}

describe.each(applicationServers)('the outbox and the inbox of HalfboxClientModule on $name', ({ provide }) => {
  let database: ApplicationDatabase;
  let application: INestApplication | undefined;
  const shop: HalfboxClientModuleOptions = {
    embedded: true,
    producer: 'shop',
    dataSource: true,
    outbox: true,
    inbox: true,
  };

  const start = async (imports: Imports, parts: object = { providers: [Orders] }): Promise<void> => {
    const typeorm = TypeOrmModule.forRoot({ ...database.options(), retryAttempts: 0 });
    const built = await Test.createTestingModule({ imports: [typeorm, ...imports], ...parts }).compile();
    application = built.createNestApplication(new FastifyAdapter(), { logger: false });
    const { client } = application.get(HalfboxBroker, { strict: false });
    application.connectMicroservice({ strategy: new HalfboxServer({ client, group: 'billing' }) });
    await application.startAllMicroservices();
    await application.init();
  };
  const testing = (options = shop): Imports => [HalfboxTestingModule.forRoot(), HalfboxClientModule.forRoot(options)];
  const broker = () => HalfboxTestingModule.brokerOf<Topics>(application!);
  const orders = () => application!.get(Orders, { strict: false });

  beforeEach(async () => {
    database = await (await provide()).prepare();
  });
  afterEach(async () => {
    await application?.close();
    application = undefined;
    await database.close();
  });

  test('what is added in a transaction is sent when, and only when, it commits; settled waits for it', async () => {
    await start(testing());
    await orders().place('1');
    await expect(orders().place('2', () => Promise.reject(new Error('no stock')))).rejects.toThrow('no stock');
    await orders().place('3');
    await broker().settled();
    const bodies = (await broker().messages('orders')).map(({ body }) => (body as Topics['orders']).order);
    expect(bodies.sort()).toEqual(['1', '3']);
    expect(await orders().outbox.counts()).toMatchObject({ waiting: 0, failed: 0 });
  });

  test('a message that the broker refuses does not keep settled; its retry does', async () => {
    await start(testing());
    await broker().client.putTopic('orders', { maxBodyBytes: 5 });
    await orders().place('1');
    await broker().settled();
    expect(await orders().outbox.failed()).toMatchObject([{ message: { body: { order: '1' } } }]);
    await broker().client.putTopic('orders', { maxBodyBytes: 500 });
    await orders().outbox.retry();
    await broker().settled();
    expect(await broker().messages('orders')).toMatchObject([{ body: { order: '1' } }]);
  });

  test('a handler works once for a message that is delivered twice, and what it adds is sent once', async () => {
    const deliveries: number[] = [];
    @Controller()
    class Billing {
      constructor(
        private readonly inbox: Inbox,
        private readonly outbox: Outbox<Topics>,
      ) {}

      @EventPattern<string>('orders')
      async bill(@Payload() { order }: Topics['orders'], @Ctx() context: HalfboxContext): Promise<void> {
        const { done } = await this.inbox.once(context.message, context.group, async (manager) => {
          await manager.query(`UPDATE shop_order SET note = 'billed' WHERE id = '${order}'`);
          await this.outbox.add(manager, { topic: 'mails', body: `billed ${order}` });
        });
        deliveries.push(context.attempt);
        if (done) throw new Error('killed before it was acknowledged');
      }
    }
    await start(testing(), { providers: [Orders], controllers: [Billing] });
    await orders().place('1');
    await broker().settled();
    await broker().clock.advance(3_600_000);
    await broker().settled();
    expect(deliveries).toEqual([1, 2]);
    expect((await broker().messages('mails')).map(({ body }) => body)).toEqual(['billed 1']);
    expect(await orders().database.query('SELECT note FROM shop_order')).toEqual([{ note: 'billed' }]);
  });

  test('at the end handlers finish, what they added is sent, then the producer and the broker close', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'halfbox-outbox-'));
    const storeUrl = `sqlite:${join(folder, 'halfbox.db')}`;
    let begun = (): void => {};
    const inWork = new Promise<void>((resolve) => (begun = resolve));
    let finish = (): void => {};
    const mayFinish = new Promise<void>((resolve) => (finish = resolve));
    @Controller()
    class Billing {
      constructor(
        private readonly inbox: Inbox,
        private readonly outbox: Outbox<Topics>,
      ) {}

      @EventPattern<string>('orders')
      async bill(@Payload() { order }: Topics['orders'], @Ctx() { message, group }: HalfboxContext): Promise<void> {
        begun();
        await mayFinish;
        await this.inbox.once(message, group, (manager) =>
          this.outbox.add(manager, { topic: 'mails', body: `billed ${order}` }),
        );
      }
    }
    const halfbox = HalfboxModule.forRoot({ storeUrl, api: false, isGlobal: true });
    // Far apart: what is sent at the end is not found by a look that was due anyway.
    const client = HalfboxClientModule.forRoot({ ...shop, outbox: { intervalMs: 3_600_000 } });
    await start([halfbox, client], { providers: [Orders], controllers: [Billing] });
    const producer = application!.get(Producer, { strict: false });
    await producer.send({ topic: 'orders', body: { order: '1' } });
    await inWork;
    const closing = application!.close();
    finish();
    await closing;
    application = undefined;
    await expect(producer.send({ topic: 'mails', body: 'late' })).rejects.toMatchObject({ code: 'producer-closed' });
    const rows = await (await database.open()).query('SELECT id FROM halfbox_outbox');
    expect(rows).toEqual([]);
    const again = new HalfboxBroker({ storeUrl, api: false });
    await again.client.putSubscription('mails', 'all', { mode: 'pull', startFrom: 'earliest' });
    const { deliveries } = await again.client.receive('mails', 'all', { max: 10, waitMs: 5_000 });
    expect(deliveries.map(({ message }) => message.body)).toEqual(['billed 1']);
    const { deliveries: orderAgain } = await again.client.receive('orders', 'billing', { max: 10, waitMs: 0 });
    expect(orderAgain).toEqual([]);
    await again.stop();
    rmSync(folder, { recursive: true, force: true });
  });
});

describe('the wiring of the outbox and the inbox', () => {
  let database: ApplicationDatabase;
  let application: { close(): Promise<void> } | undefined;

  const start = async (imports: Imports, providers: object[] = []) => {
    const typeorm = TypeOrmModule.forRoot({ ...database.options(), retryAttempts: 0 });
    const parts = { imports: [HalfboxTestingModule.forRoot(), typeorm, ...imports], providers: providers as [] };
    const built = await Test.createTestingModule(parts).compile();
    application = built;
    return built.init();
  };
  const shop = (more: object) => HalfboxClientModule.forRoot({ embedded: true, producer: 'shop', ...more });
  const both = { outbox: true, inbox: true };

  beforeEach(async () => {
    database = await (await applicationServers[0]!.provide()).prepare();
  });
  afterEach(async () => {
    await application?.close();
    application = undefined;
    await database.close();
  });

  test('by name, for several producers with a database each', async () => {
    @Injectable()
    class Both {
      constructor(
        @InjectOutbox() readonly first: Outbox,
        @InjectOutbox('shop') readonly named: Outbox,
        @InjectOutbox('mailer') readonly mailer: Outbox<Topics>,
        @InjectInbox('mailer') readonly inbox: Inbox,
        @InjectDataSource('second') readonly second: DataSource,
      ) {}
    }
    const other = await (await applicationServers[0]!.provide()).prepare();
    const second = TypeOrmModule.forRoot({ ...other.options(), name: 'second', retryAttempts: 0 });
    const feature = HalfboxClientModule.forFeature([{ producer: 'mailer', dataSource: 'second', ...both }]);
    const built = await start([second, shop({ dataSource: true, ...both }), feature], [Both]);
    const { first, named, mailer, inbox, second: source } = built.get(Both);
    expect(first).toBe(built.get(Outbox, { strict: false }));
    expect(named).toBe(first);
    expect(mailer).not.toBe(first);
    const message = { id: 'm1', topic: 'orders' };
    const { done } = await inbox.once(message, 'g', (manager) =>
      mailer.add(manager, { topic: 'mails', body: 'hello' }),
    );
    expect(done).toBe(true);
    expect(await source.query('SELECT done_key FROM halfbox_inbox')).toHaveLength(1);
    const broker = HalfboxTestingModule.brokerOf<Topics>(built);
    await broker.settled();
    expect(await broker.messages('mails')).toMatchObject([{ body: 'hello' }]);
    await built.close();
    application = undefined;
    await other.close();
  });

  test('a RedisInbox needs no database', async () => {
    @Injectable()
    class Handler {
      constructor(
        readonly inbox: RedisInbox,
        @InjectInbox() readonly same: RedisInbox,
      ) {}
    }
    const redis = new Redis(process.env['HALFBOX_TEST_REDIS_URL']!);
    const options = HalfboxClientModule.forRootAsync({
      useFactory: () => ({ embedded: true, producer: 'shop', inbox: { redis, prefix: `${database.address}:` } }),
    });
    const built = await start([options], [Handler]);
    const { inbox, same } = built.get(Handler);
    expect(same).toBe(inbox);
    const message = { id: 'm1', topic: 'orders' };
    const results = [await inbox.once(message, 'g', async () => 1), await inbox.once(message, 'g', async () => 2)];
    expect(results).toEqual([{ done: true, result: 1 }, { done: false }]);
    await redis.quit();
  });

  test('one that only writes leaves the forwarding to others', async () => {
    const built = await start([shop({ dataSource: true, ...both, outbox: { forward: false } })], [Orders]);
    await built.get(Orders).place('1');
    await HalfboxTestingModule.brokerOf(built).settled();
    expect(await built.get(Orders).outbox.counts()).toMatchObject({ waiting: 1 });
  });

  test.each(['outbox', 'inbox'])('an %s without a database is refused', async (part) => {
    const compiled = Test.createTestingModule({ imports: [shop({ [part]: true })] }).compile();
    await expect(compiled).rejects.toThrow(`producer shop: an ${part} needs a dataSource, the application's database`);
  });

  test('whoever injects what the options do not ask for is named', async () => {
    const options = (more: object) =>
      HalfboxClientModule.forRootAsync({
        useFactory: () => ({ embedded: true, producer: 'shop', dataSource: true, ...more }),
      });
    await expect(start([options({ inbox: true })], [Orders])).rejects.toThrow(
      'Orders injects the outbox of producer shop, which has none: give the option outbox',
    );
    await application!.close();
    await expect(start([options({ outbox: true })], [Orders])).rejects.toThrow(
      'Orders injects the inbox of producer shop, which has none: give the option inbox',
    );
    await application!.close();
    const redis = { eval: async () => null };
    await expect(start([options({ outbox: true, inbox: { redis } })], [Orders])).rejects.toThrow(
      'Orders: the inbox of producer shop is a RedisInbox, inject that',
    );
  });

  test('an outbox of the application’s own making is left alone', async () => {
    const own = { provide: Outbox, inject: [DataSource], useFactory: (source: DataSource) => new Outbox(source) };
    const built = await start([shop({ dataSource: true, inbox: true })], [own, Orders]);
    expect(built.get(Orders).outbox).toBe(built.get(Outbox));
  });

  test('two outboxes in one database are refused', async () => {
    const feature = HalfboxClientModule.forFeature([{ producer: 'mailer', dataSource: true, outbox: true }]);
    await expect(start([shop({ dataSource: true, ...both }), feature])).rejects.toThrow(
      'producers shop and mailer cannot have outboxes in one database',
    );
  });

  test('tables that are missing are named, and how to make them', async () => {
    const source = await database.open();
    await source.query('DROP TABLE halfbox_outbox');
    await source.query('DROP TABLE halfbox_inbox');
    const failed: unknown = await start([shop({ dataSource: true, ...both })]).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'tables-missing', tables: ['halfbox_outbox', 'halfbox_inbox'] });
    expect(String(failed)).toMatch(/HalfboxClientTables1700000000101 .*`halfbox client-sql --dialect sqlite`/);
  });

  test('wrong bounds are refused at the start', async () => {
    await expect(start([shop({ dataSource: true, outbox: { batchMax: 0 } })])).rejects.toThrow(RangeError);
  });
});
