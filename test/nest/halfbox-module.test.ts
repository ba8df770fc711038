import { Inject, Injectable, Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { HalfboxBroker, HalfboxModule, SettingsError, StoreStartError } from '../../src/index.js';
import { sqliteServer } from '../store/databases.js';

describe('HalfboxModule', () => {
  let place: { url: string; remove(): Promise<void> };

  beforeEach(async () => {
    place = await sqliteServer.provide();
  });
  afterEach(() => place.remove());

  test('runs a broker from the first onModuleInit to the end of the application', async () => {
    @Injectable()
    class Shop implements OnModuleInit, OnModuleDestroy {
      constructor(readonly broker: HalfboxBroker) {}

      async onModuleInit(): Promise<void> {
        await this.broker.send({ topic: 'orders', body: 'opened' });
      }

      async onModuleDestroy(): Promise<void> {
        await this.broker.send({ topic: 'orders', body: 'closed' });
      }
    }
    @Module({ providers: [Shop] })
    class Deep {}
    @Module({ imports: [HalfboxModule.forRoot({ storeUrl: place.url, api: false, isGlobal: true }), Deep] })
    class Application {}

    const application = await NestFactory.createApplicationContext(Application, { logger: false });
    const broker = application.get(HalfboxBroker);
    expect(broker.url).toBeUndefined();
    await broker.client.putSubscription('orders', 'billing', { mode: 'pull', startFrom: 'earliest' });
    await application.close();
    await expect(broker.client.nodes()).rejects.toMatchObject({ code: 'broker-unreachable', mayBeDone: false });

    // Its file is free again, and has what was sent while it stopped.
    const again = new HalfboxBroker({ storeUrl: place.url, api: false });
    const { deliveries } = await again.client.receive('orders', 'billing', { max: 10, waitMs: 5_000 });
    const more = await again.client.receive('orders', 'billing', { max: 10, waitMs: 1_000 });
    const bodies = [...deliveries, ...more.deliveries].map(({ message }) => message.body);
    expect(bodies.sort()).toEqual(['closed', 'opened']);
    await again.stop();
  });

  test('serves its API beside the application’s own server', async () => {
    @Module({ imports: [HalfboxModule.forRoot({ storeUrl: place.url, port: 0, apiKeys: 'shop:secret:produce' })] })
    class Application {}
    const application = await NestFactory.create(Application, new FastifyAdapter(), { logger: false });
    await application.listen(0, '127.0.0.1');
    const broker = application.get(HalfboxBroker);
    const url = broker.url!;
    const send = (authorization: string) =>
      fetch(`${url}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
        body: '{"topic":"orders","body":1}',
      });
    await broker.client.putTopic('orders');
    expect((await send('Bearer secret')).status).toBe(201);
    expect((await send('Bearer wrong')).status).toBe(401);
    expect((await fetch(`${await application.getUrl()}/v1/nodes`)).status).toBe(404);
    await application.close();
    await expect(fetch(`${url}/health/live`)).rejects.toThrow();
  });

  test('takes its options from other providers, and makes its topics', async () => {
    const STORE = Symbol('STORE');
    @Module({ providers: [{ provide: STORE, useFactory: async () => place.url }], exports: [STORE] })
    class Config {}
    const halfbox = HalfboxModule.forRootAsync<{ orders: number }>({
      imports: [Config],
      inject: [STORE],
      useFactory: (storeUrl: string) => ({ storeUrl, api: false, topics: { orders: { shards: 1 } } }),
    });
    const application = await Test.createTestingModule({ imports: [halfbox] }).compile();
    await application.init();
    const { caller } = application.get(HalfboxBroker);
    const { text } = await caller.call({ method: 'GET', path: '/v1/topics/orders', timeoutMs: 5_000 });
    expect(JSON.parse(text)).toMatchObject({ topic: 'orders', shards: 1 });
    await application.close();
  });

  test('wrong settings stop the application, each with its name', async () => {
    const wrong = HalfboxModule.forRoot({ storeUrl: place.url, checkMax: 0, port: 99_999 });
    const created = Test.createTestingModule({ imports: [wrong] }).compile();
    await expect(created).rejects.toThrow(SettingsError);
    await expect(created).rejects.toThrow(/HALFBOX_CHECK_MAX: .*\n?.*/);
    await expect(created).rejects.toThrow(/HALFBOX_PORT: /);
  });

  test('two brokers on one SQLite file: the second one says why it does not start', async () => {
    const first = new HalfboxBroker({ storeUrl: place.url, api: false });
    await first.start();
    const options = { storeUrl: place.url, api: false };
    const application = await Test.createTestingModule({ imports: [HalfboxModule.forRoot(options)] }).compile();
    const failed = await application.init().catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(StoreStartError);
    expect(String(failed)).toMatch(/in use by another broker/);
    await application.close();
    await first.stop();
  });

  test('what uses the broker is closed before it stops', async () => {
    const order: string[] = [];
    @Injectable()
    class Uses {
      constructor(@Inject(HalfboxBroker) broker: HalfboxBroker) {
        broker.usedBy({
          close: async () => {
            await broker.send({ topic: 'orders', body: 1 });
            order.push('closed');
          },
        });
      }
    }
    const halfbox = HalfboxModule.forRoot({ storeUrl: place.url, api: false });
    const application = await Test.createTestingModule({ imports: [halfbox], providers: [Uses] }).compile();
    await application.init();
    await application.close();
    expect(order).toEqual(['closed']);
  });
});
