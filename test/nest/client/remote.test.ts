import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { InjectDataSource, TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import {
  CheckBack,
  HalfboxClientModule,
  Outbox,
  Producer,
  type Answer,
  type HalfboxProducerOptions,
} from '../../../src/index.js';
import { applicationServers, type ApplicationDatabase } from '../../client/local/application-database.js';
import { freePort } from '../../setup/private-server.mjs';
import { sqliteServer } from '../../store/databases.js';
import { BrokerProcess, eventually } from '../../system/broker-process.js';

const apiKey = 'the-secret-of-the-shop';

describe('HalfboxClientModule to a broker of its own process', () => {
  jest.setTimeout(90_000);
  let place: { url: string; remove(): Promise<void> };
  let broker: BrokerProcess;
  let database: ApplicationDatabase;
  let application: NestFastifyApplication | undefined;

  const start = async (options: Partial<HalfboxProducerOptions>, more: (new () => object)[] = []): Promise<void> => {
    @Module({
      imports: [
        TypeOrmModule.forRoot({ ...database.options(), retryAttempts: 0 }),
        HalfboxClientModule.forRoot({ endpoints: [broker.url], apiKey, producer: 'shop', ...options }),
      ],
      providers: [...more, Shop],
    })
    class Application {}
    application = await NestFactory.create<NestFastifyApplication>(Application, new FastifyAdapter(), {
      logger: false,
      abortOnError: false,
    });
  };
  @Injectable()
  class Shop {
    constructor(
      readonly producer: Producer,
      @InjectDataSource() readonly database: DataSource,
    ) {}
  }
  const call = async (method: string, path: string): Promise<{ status: number; body: unknown }> => {
    const headers = { authorization: `Bearer ${apiKey}` };
    const response = await fetch(broker.url + path, { method, headers });
    return { status: response.status, body: await response.json() };
  };
  const stateOf = async (id: string): Promise<unknown> =>
    ((await call('GET', `/v1/transactions/${id}`)).body as { state: unknown }).state;
  /** Prepares as if the process had then been killed: nobody here has it in hand. */
  const prepareSilently = async (transactionId: string): Promise<void> => {
    const { producer } = application!.get(Shop);
    await producer.prepare({ topic: 'orders', body: 1 }, { transactionId, firstCheckAfterMs: 100 });
  };
  const resolved = (id: string): Promise<unknown> =>
    eventually(`resolution of ${id}`, async () => {
      const state = await stateOf(id);
      return state === 'prepared' ? undefined : state;
    });

  beforeAll(async () => {
    place = await sqliteServer.provide();
    broker = await BrokerProcess.start({
      HALFBOX_STORE_URL: place.url,
      HALFBOX_API_KEYS: `shop:${apiKey}:produce`,
      HALFBOX_CHECK_INTERVAL_MS: '200',
    });
    database = await (await applicationServers[0]!.provide()).prepare();
  });
  afterEach(async () => {
    await application?.close();
    application = undefined;
  });
  afterAll(async () => {
    await database.close();
    await broker.stop();
    await place.remove();
  });

  test('is asked over a stream, and answers from its database', async () => {
    await start({ dataSource: true });
    await application!.init();
    const { producer, database: shop } = application!.get(Shop);
    const { committed } = await producer.sendInTransaction({ topic: 'orders', body: 1 }, async () => {});
    expect(committed?.state).toBe('committed');
    await prepareSilently('stream-never');
    await shop.query(
      `INSERT INTO halfbox_fence (transaction_id, outcome, created_at) VALUES ('stream-committed', 'committed', 0)`,
    );
    await prepareSilently('stream-committed');
    expect(await resolved('stream-never')).toBe('rolled_back');
    expect(await resolved('stream-committed')).toBe('committed');
    const rows: unknown = await shop.query(`SELECT outcome FROM halfbox_fence WHERE transaction_id = 'stream-never'`);
    expect(rows).toEqual([{ outcome: 'rolled_back' }]);
  });

  test('what is added to its outbox is stored there when, and only when, the transaction commits', async () => {
    await start({ dataSource: true, outbox: true });
    await application!.init();
    const outbox = application!.get(Outbox, { strict: false });
    const { database: shop } = application!.get(Shop);
    const add = (id: string) => shop.transaction((manager) => outbox.add(manager, { topic: 'orders', id, body: id }));
    const rolledBack = shop.transaction(async (manager) => {
      await outbox.add(manager, { topic: 'orders', id: 'outbox-never', body: 1 });
      throw new Error('no stock');
    });
    await expect(rolledBack).rejects.toThrow('no stock');
    await add('outbox-placed');
    await eventually('empty outbox', async () => ((await outbox.counts()).waiting === 0 ? true : undefined));
    expect((await call('GET', '/v1/messages/outbox-placed')).status).toBe(200);
    expect((await call('GET', '/v1/messages/outbox-never')).status).toBe(404);
  });

  test('is asked at its checkBackUrl, by signed questions only', async () => {
    @Injectable()
    class Answers {
      @CheckBack('shop')
      resolve({ transactionId }: { transactionId: string }): Answer {
        return transactionId.endsWith('yes') ? 'commit' : 'rollback';
      }
    }
    const port = await freePort();
    const checkBackUrl = `http://127.0.0.1:${port}/halfbox/shop`;
    await start({ checkBackUrl }, [Answers]);
    await application!.listen(port, '127.0.0.1');
    await eventually('registration', async () => {
      const { body } = await call('GET', '/v1/producers/shop');
      return (body as { checkBack?: { url?: string } }).checkBack?.url === checkBackUrl ? true : undefined;
    });
    await prepareSilently('url-yes');
    await prepareSilently('url-no');
    expect(await resolved('url-yes')).toBe('committed');
    expect(await resolved('url-no')).toBe('rolled_back');
    const forged = await fetch(checkBackUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ transactionId: 'url-yes' }),
    });
    expect(forged.status).toBe(401);
  });
});
