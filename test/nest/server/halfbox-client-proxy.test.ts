import { Inject, Injectable, Logger } from '@nestjs/common';
import { ClientsModule, type ClientProxy } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { HalfboxClientProxy, HalfboxRecordBuilder } from '../../../src/nest/index.js';
import { Applications } from './application.js';

describe('HalfboxClientProxy', () => {
  let applications: Applications;
  beforeAll(async () => {
    Logger.overrideLogger(false);
    applications = await Applications.begin();
  });
  afterAll(async () => {
    await applications.end();
    Logger.overrideLogger(['log', 'error', 'warn']);
  });

  const proxyTo = (url: string) => new HalfboxClientProxy({ endpoints: [url] });

  it('emit publishes the payload as the body, and completes when it is stored', async () => {
    const client = proxyTo(applications.broker.url);
    const places = await lastValueFrom(client.emit('emitted', { id: 1 }).pipe(toArray()));
    expect(places).toEqual([
      { id: expect.any(String) as string, topic: 'emitted', shard: expect.any(Number), offset: 0 },
    ]);
    const { id } = places[0] as { id: string };
    expect((await applications.broker.get(`/v1/messages/${id}`)).body).toMatchObject({
      topic: 'emitted',
      body: { id: 1 },
    });
    const bytes = await firstValueFrom(client.emit('emitted', Buffer.from([1, 2])));
    expect((await applications.broker.get(`/v1/messages/${bytes.id}`)).body.bodyBase64).toBe('AQI=');
    await client.close();
  });

  it('a record carries what goes along with the body; so does what instrumentation attaches', async () => {
    const client = proxyTo(applications.broker.url);
    client.setOnDispatchHook((packet) => (packet.metadata = { trace: 'of the hook', span: '1' }));
    const record = new HalfboxRecordBuilder({ id: 2 })
      .setId('order-2')
      .setKey('2')
      .setTag('paid')
      .setOrderingKey('customer')
      .setHeaders({ trace: 'own' })
      .setDelayMs(3_600_000)
      .setContentType('application/json')
      .build();
    await lastValueFrom(client.emit('recorded', record));
    expect((await applications.broker.get('/v1/messages/order-2')).body).toMatchObject({
      state: 'scheduled',
      key: '2',
      tag: 'paid',
      orderingKey: 'customer',
      headers: { trace: 'own', span: '1' },
      contentType: 'application/json',
      body: { id: 2 },
    });
    await client.close();
  });

  it('nobody needs to be subscribed', async () => {
    const client = proxyTo(applications.broker.url);
    client.emit('unwatched', new HalfboxRecordBuilder(1).setId('unwatched-1').build());
    // Sends what is under way.
    await client.close();
    expect((await applications.broker.get('/v1/messages/unwatched-1')).status).toBe(200);
  });

  it('fails with what the producer says, and logs it', async () => {
    const away = proxyTo('http://127.0.0.1:9');
    await expect(lastValueFrom(away.emit('orders', 1))).rejects.toMatchObject({
      code: 'send-failed',
      mayBeStored: false,
    });
    await away.close();
    const client = proxyTo(applications.broker.url);
    await expect(lastValueFrom(client.emit('no topic', 1))).rejects.toMatchObject({ code: 'validation-failed' });
    await expect(lastValueFrom(client.emit({ cmd: 'orders' }, 1))).rejects.toThrow('is no topic');
    await client.close();
  });

  it('send is refused', async () => {
    const client = proxyTo(applications.broker.url);
    await expect(lastValueFrom(client.send('orders', 1))).rejects.toMatchObject({ code: 'requests-unsupported' });
    await client.close();
  });

  it('is a client of ClientsModule, closed with the application', async () => {
    @Injectable()
    class Shop {
      constructor(@Inject('ORDERS') readonly orders: ClientProxy) {}
    }
    const options = { endpoints: [applications.broker.url] };
    const module = await Test.createTestingModule({
      imports: [ClientsModule.register([{ name: 'ORDERS', customClass: HalfboxClientProxy, options }])],
      providers: [Shop],
    }).compile();
    await module.init();
    const { id } = await firstValueFrom(module.get(Shop).orders.emit<{ id: string }>('of-module', 'x'));
    expect((await applications.broker.get(`/v1/messages/${id}`)).body.body).toBe('x');
    await module.close();
  });
});
