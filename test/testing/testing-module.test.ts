import { Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { HalfboxBroker, HalfboxClientModule, HalfboxModule, Producer } from '../../src/index.js';
import { HalfboxTestingBroker, HalfboxTestingModule } from '../../src/testing/index.js';

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

  test('tells an application’s own broker from a testing one', async () => {
    const application = await Test.createTestingModule({ imports: [HalfboxTestingModule.forRoot()] }).compile();
    expect(HalfboxTestingModule.brokerOf(application)).toBe(application.get(HalfboxTestingBroker));
    expect(() => HalfboxTestingModule.brokerOf({ get: () => new HalfboxBroker({}) })).toThrow(
      'is not a testing broker',
    );
    await application.close();
  });
});
