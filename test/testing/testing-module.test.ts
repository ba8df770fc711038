import { Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import {
  HalfboxBroker,
  HalfboxClientModule,
  HalfboxModule,
  InjectProducer,
  Outbox,
  Producer,
} from '../../src/index.js';
import { HalfboxTestingBroker, HalfboxTestingModule } from '../../src/testing/index.js';
import { applicationServers } from '../client/local/application-database.js';

describe('HalfboxTestingModule', () => {
  test('takes the place of the broker that the application embeds, with its settings', async () => {
    @Module({
      imports: [
        HalfboxModule.forRoot({
          storeUrl: 'mysql://nobody@127.0.0.1:1/nothing',
          host: '0.0.0.0',
          apiKeys: 'a:b:admin',
          checkMax: 1,
        }),
        HalfboxClientModule.forRoot({ embedded: true, producer: 'shop' }),
      ],
    })
    class Application {}
    const builder = Test.createTestingModule({ imports: [Application] });
    const application = await HalfboxTestingModule.replaceIn(builder, { now: 0 }).compile();
    await application.init();
    const broker = HalfboxTestingModule.brokerOf(application);
    expect(broker).toBe(application.get(HalfboxBroker, { strict: false }));
    expect(broker.clock.now()).toBe(0);
    const { id } = await application.get(Producer, { strict: false }).send({ topic: 'orders', body: 1 });
    expect(await broker.messages('orders')).toMatchObject([{ id, storedAt: '1970-01-01T00:00:00.000Z' }]);
    broker.node.broker.answerers.register('shop', 'this', { answer: async () => 'unknown' });
    await broker.client.prepare({ id: 'tx', producer: 'shop', messages: [{ topic: 'orders', body: 2 }] });
    await broker.clock.advance(6_000);
    expect((await broker.client.transaction('tx')).state).toBe('parked');
    await application.close();
  });

  test('takes the place of brokers elsewhere, for producers in every way of being asked', async () => {
    const endpoints = ['http://127.0.0.1:1'];
    const database = await (await applicationServers[0]!.provide()).prepare();
    @Injectable()
    class Orders {
      constructor(
        readonly producer: Producer,
        @InjectProducer('mailer') readonly mailer: Producer,
        readonly outbox: Outbox,
        readonly dataSource: DataSource,
      ) {}
    }
    @Module({
      imports: [
        TypeOrmModule.forRoot({ ...database.options(), retryAttempts: 0 }),
        HalfboxClientModule.forRootAsync({
          useFactory: () => ({
            endpoints,
            apiKey: 'a-secret-that-nobody-knows',
            producer: 'shop',
            dataSource: true,
            outbox: true,
            checkBackPattern: { transport: 'bus', pattern: 'orders.check' },
          }),
        }),
        HalfboxClientModule.forFeature([
          { producer: 'mailer', dataSource: true, checkBackUrl: 'http://mailer:3000/checks' },
        ]),
      ],
      providers: [Orders],
    })
    class Application {}
    const builder = Test.createTestingModule({ imports: [Application] });
    const application = await HalfboxTestingModule.replaceIn(builder, { now: 0, firstCheckAfterMs: 1_000 }).compile();
    await application.init();
    const broker = HalfboxTestingModule.brokerOf(application);
    const { producer, mailer, outbox, dataSource } = application.get(Orders);
    await producer.prepare({ topic: 'orders', body: 1 }, { transactionId: 'shop-never' });
    await mailer.prepare({ topic: 'orders', body: 2 }, { transactionId: 'mailer-never' });
    await dataSource.transaction((manager) => outbox.add(manager, { topic: 'orders', body: 3 }));
    await broker.clock.advance(1_000);
    for (const id of ['shop-never', 'mailer-never']) {
      expect(await broker.client.transaction(id)).toMatchObject({ state: 'rolled_back', resolvedBy: 'check' });
    }
    await broker.settled();
    expect((await broker.messages('orders')).map(({ body }) => body)).toEqual([3]);
    await application.close();
    await expect(broker.client.nodes()).rejects.toMatchObject({ code: 'broker-unreachable' });
    await database.close();
  });

  test('tells an application’s own broker from a testing one', async () => {
    const application = await Test.createTestingModule({ imports: [HalfboxTestingModule.forRoot()] }).compile();
    expect(HalfboxTestingModule.brokerOf(application)).toBe(application.get(HalfboxTestingBroker));
    expect(() => HalfboxTestingModule.brokerOf({ get: () => new HalfboxBroker({}) })).toThrow(
      'is not a testing broker',
    );
    await application.close();
  });
});
