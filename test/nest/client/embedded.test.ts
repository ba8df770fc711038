import { Injectable, Module } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { getDataSourceToken, InjectDataSource, TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource, EntityManager } from 'typeorm';
import {
  CheckBack,
  Consumer,
  HalfboxClientModule,
  InjectProducer,
  Producer,
  type Answer,
  type HalfboxClientModuleOptions,
  type Question,
} from '../../../src/index.js';
import { HalfboxTestingBroker, HalfboxTestingModule } from '../../../src/testing/index.js';
import { applicationServers, type ApplicationDatabase } from '../../client/local/application-database.js';

interface Topics {
  orders: { order: number };
}

@Injectable()
class Orders {
  constructor(
    @InjectProducer() readonly producer: Producer<Topics, EntityManager>,
    @InjectDataSource() readonly database: DataSource,
  ) {}

  async place(order: number, work: () => Promise<void> = async () => {}): Promise<void> {
    await this.producer.sendInTransaction({ topic: 'orders', body: { order } }, async (manager) => {
      await manager.query(`INSERT INTO shop_order (id, note) VALUES ('${order}', 'new')`);
      await work();
    });
  }

  async placed(): Promise<string[]> {
    const rows: { id: string }[] = await this.database.query('SELECT id FROM shop_order ORDER BY id');
    return rows.map(({ id }) => id);
  }
}

describe('HalfboxClientModule on an embedded broker', () => {
  let database: ApplicationDatabase;
  let application: TestingModule;
  let consumer: Consumer<Topics['orders']>;
  let seen: number[];

  const typeorm = () => TypeOrmModule.forRoot({ ...database.options(), retryAttempts: 0 });
  const start = async (imports: NonNullable<Parameters<typeof Module>[0]['imports']>): Promise<void> => {
    const testing = HalfboxTestingModule.forRoot();
    application = await Test.createTestingModule({
      imports: [testing, typeorm(), ...imports],
      providers: [Orders],
    }).compile();
    await application.init();
  };
  const startShop = () => start([HalfboxClientModule.forRoot({ embedded: true, producer: 'shop', dataSource: true })]);
  const broker = () => application.get<HalfboxTestingBroker<Topics>>(HalfboxTestingBroker);
  const orders = () => application.get(Orders);
  const consume = async (): Promise<void> => {
    consumer = new Consumer<Topics['orders']>({
      client: broker().client,
      topic: 'orders',
      group: 'billing',
      handler: async ({ body }) => void seen.push(body.order),
    });
    await consumer.start();
  };

  beforeEach(async () => {
    seen = [];
    database = await (await applicationServers[0]!.provide()).prepare();
  });
  afterEach(async () => {
    await consumer?.stop();
    await application.close();
    await database.close();
  });

  test('what is sent is consumed', async () => {
    await startShop();
    await consume();
    const { producer } = orders();
    await producer.send([
      { topic: 'orders', body: { order: 1 } },
      { topic: 'orders', body: { order: 2 } },
    ]);
    producer.sendOneway({ topic: 'orders', body: { order: 3 } });
    await broker().settled();
    expect(seen.sort()).toEqual([1, 2, 3]);
    expect(application.get(Producer)).toBe(producer);
  });

  test('a message is delivered when, and only when, its local transaction commits', async () => {
    await startShop();
    await consume();
    await orders().place(1);
    const failing = orders().place(2, () => Promise.reject(new Error('no stock')));
    await expect(failing).rejects.toThrow('no stock');
    await orders().producer.transaction(async ({ manager, send }) => {
      await manager.query(`INSERT INTO shop_order (id, note) VALUES ('3', 'new')`);
      send({ topic: 'orders', body: { order: 3 } });
    });
    await broker().settled();
    await broker().clock.advance(3_600_000);
    expect(await orders().placed()).toEqual(['1', '3']);
    expect(seen).toEqual([1, 3]);
  });

  test('a check-back is answered from the database', async () => {
    await startShop();
    await consume();
    const { producer } = orders();
    // As after a crash between the local commit and the call to the broker, and before the local commit.
    await producer.prepare({ topic: 'orders', body: { order: 1 } }, { transactionId: 'committed' });
    await producer.prepare({ topic: 'orders', body: { order: 2 } }, { transactionId: 'never' });
    await orders().database.query(
      `INSERT INTO halfbox_fence (transaction_id, outcome, created_at) VALUES ('committed', 'committed', 0)`,
    );
    await broker().clock.advance(5_999);
    expect((await broker().client.transaction('committed')).state).toBe('prepared');
    await broker().clock.advance(1);
    const states = await Promise.all(['committed', 'never'].map((id) => broker().client.transaction(id)));
    expect(states).toMatchObject([
      { state: 'committed', resolvedBy: 'check' },
      { state: 'rolled_back', resolvedBy: 'check' },
    ]);
    await broker().settled();
    expect(seen).toEqual([1]);
  });

  test('a check-back never disturbs a local transaction that is open', async () => {
    await startShop();
    await consume();
    await orders().place(1, async () => {
      await broker().clock.advance(60_000);
      const open = await broker().client.transaction((await prepared())[0]!);
      expect(open.checks.map(({ outcome }) => outcome)).toEqual(['unknown', 'unknown']);
    });
    await broker().settled();
    expect(seen).toEqual([1]);
  });

  const prepared = async (): Promise<string[]> => {
    const path = '/v1/transactions?state=prepared';
    const { text } = await broker().caller.call({ method: 'GET', path, timeoutMs: 5_000 });
    return (JSON.parse(text) as { items: { id: string }[] }).items.map(({ id }) => id);
  };

  test('settled waits for local transactions in hand', async () => {
    await startShop();
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => (finish = resolve));
    let begun = (): void => {};
    const open = new Promise<void>((resolve) => (begun = resolve));
    const placing = orders().place(1, () => (begun(), finished));
    await open;
    await expect(broker().settled({ timeoutMs: 200 })).rejects.toThrow(
      'producer shop has 1 local transactions in hand',
    );
    finish();
    await broker().settled();
    await placing;
  });

  test('options come from other providers, a named database too; features add producers', async () => {
    @Injectable()
    class Audit {
      constructor(
        @InjectProducer('audit') readonly audit: Producer,
        @InjectProducer('mailer') readonly mailer: Producer<Topics, EntityManager>,
      ) {}
    }
    @Module({
      imports: [HalfboxClientModule.forFeature([{ producer: 'audit' }, { producer: 'mailer', dataSource: 'second' }])],
      providers: [Audit],
    })
    class Feature {}
    await start([
      TypeOrmModule.forRoot({ ...database.options(), name: 'second', retryAttempts: 0 }),
      HalfboxClientModule.forRootAsync({
        inject: [getDataSourceToken('second')],
        useFactory: (dataSource: DataSource): HalfboxClientModuleOptions => ({
          embedded: true,
          producer: 'shop',
          dataSource,
        }),
      }),
      Feature,
    ]);
    await orders().place(1);
    const { audit, mailer } = application.get(Audit, { strict: false });
    expect([audit.name, mailer.name]).toEqual(['audit', 'mailer']);
    await audit.send({ topic: 'audits', body: 'placed' });
    await mailer.sendInTransaction({ topic: 'orders', body: { order: 2 } }, async (manager) => {
      await manager.query(`INSERT INTO shop_order (id, note) VALUES ('2', 'mailed')`);
    });
    expect((await broker().messages('orders')).map(({ body }) => body)).toHaveLength(2);
    expect(await orders().placed()).toEqual(['1', '2']);
  });

  test('@CheckBack() methods answer; one that throws has not answered', async () => {
    const asked: Question[] = [];
    @Injectable()
    class Answers {
      private readonly words = new Map<string, Answer>([
        ['yes', 'commit'],
        ['no', 'rollback'],
      ]);

      @CheckBack()
      resolve(question: Question): Answer {
        asked.push(question);
        const word = this.words.get(question.transactionId);
        if (!word) throw new Error('the register is closed');
        return word;
      }
    }
    @Module({ providers: [Answers] })
    class Deep {}
    await start([HalfboxClientModule.forRoot({ embedded: true, producer: 'shop' }), Deep]);
    const { producer } = orders();
    for (const transactionId of ['yes', 'no', 'closed']) {
      await producer.prepare({ topic: 'orders', body: { order: 1 } }, { transactionId });
    }
    await broker().clock.advance(6_000);
    const states = await Promise.all(['yes', 'no', 'closed'].map((id) => broker().client.transaction(id)));
    expect(states.map(({ state }) => state)).toEqual(['committed', 'rolled_back', 'prepared']);
    expect(states[2]!.checks).toMatchObject([{ outcome: 'invalid' }]);
    expect(asked.find(({ transactionId }) => transactionId === 'yes')).toMatchObject({
      producer: 'shop',
      instance: producer.instance,
      messages: [{ topic: 'orders', body: { order: 1 } }],
    });
  });

  describe('does not start', () => {
    @Injectable()
    class One {
      @CheckBack('shop')
      one(): Answer {
        return 'unknown';
      }
    }
    @Injectable()
    class Two {
      @CheckBack('shop')
      two(): Answer {
        return 'unknown';
      }
    }
    @Module({ providers: [One] })
    class WithOne {}
    @Module({ providers: [One, Two] })
    class WithTwo {}
    const shop = (more: object = {}) => HalfboxClientModule.forRoot({ embedded: true, producer: 'shop', ...more });

    test('with two handlers for one producer', async () => {
      await expect(start([shop(), WithTwo])).rejects.toThrow('Two.two and One.one both answer check-backs of shop');
    });

    test('with a handler beside a database that answers', async () => {
      await expect(start([shop({ dataSource: true }), WithOne])).rejects.toThrow('from its dataSource already');
    });

    test('with a handler for a producer that is not there', async () => {
      await expect(start([shop({ producer: 'another' }), WithOne])).rejects.toThrow(
        "@CheckBack('shop') names no producer of this application: another",
      );
    });

    test('with a database that is not there', async () => {
      await expect(start([shop({ dataSource: 'third' })])).rejects.toThrow('dataSource: third names no DataSource');
    });

    test('with a producer that is declared in two ways', async () => {
      application = await Test.createTestingModule({}).compile();
      const imports = [shop(), HalfboxClientModule.forFeature([{ producer: 'shop', retries: 5 }])];
      const created = Test.createTestingModule({ imports }).compile();
      await expect(created).rejects.toThrow('producer shop is declared twice');
    });

    test('without a broker in the application', async () => {
      application = await Test.createTestingModule({ imports: [shop()] }).compile();
      await expect(application.init()).rejects.toThrow('embedded: true needs HalfboxModule');
    });
  });

  test('at the end local transactions are finished before the database and the broker close', async () => {
    await startShop();
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => (finish = resolve));
    let begun = (): void => {};
    const open = new Promise<void>((resolve) => (begun = resolve));
    const { producer } = orders();
    const placing = orders().place(1, () => (begun(), finished));
    await open;
    const closing = application.close();
    const refused = new Promise<unknown>((resolve) => {
      const look = (): void => {
        producer.send({ topic: 'orders', body: { order: 9 } }).then(() => setImmediate(look), resolve);
      };
      look();
    });
    expect(await refused).toMatchObject({ code: 'producer-closed' });
    finish();
    await placing;
    await closing;
    const again = await database.open();
    expect(await again.query('SELECT id FROM shop_order')).toEqual([{ id: '1' }]);
  });
});

test('a producer that nobody answers for is warned of', async () => {
  const warnings: string[] = [];
  const logger = {
    debug() {},
    info() {},
    error() {},
    warn: (_fields: object, message: string) => warnings.push(message),
  };
  const application = await Test.createTestingModule({
    imports: [
      HalfboxTestingModule.forRoot(),
      HalfboxClientModule.forRoot({ embedded: true, producer: 'shop', logger }),
    ],
  }).compile();
  await application.init();
  expect(warnings).toEqual([
    expect.stringMatching(/^producer shop has neither a dataSource nor a @CheckBack\(\) handler/),
  ]);
  await application.close();
});
