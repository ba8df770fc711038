import 'reflect-metadata';
import { Controller, Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Payload, Transport, type MicroserviceOptions } from '@nestjs/microservices';
import { until } from '../../queue/until.js';
import { freePort } from '../../setup/private-server.mjs';
import { countsOf, deliveryOf, expectInOrder, forwardingBroker, sendOrders, type Forwarded } from './forwarding.js';

const received: Forwarded[] = [];

@Controller()
class Orders {
  @EventPattern('orders')
  take(@Payload() message: Forwarded): void {
    received.push(message);
  }
}

@Module({ controllers: [Orders] })
class OrdersModule {}

async function startConsumer(options: MicroserviceOptions): Promise<INestMicroservice> {
  const consumer = await NestFactory.createMicroservice(OrdersModule, { ...options, logger: false });
  await consumer.listen();
  return consumer;
}

beforeEach(() => {
  received.length = 0;
});

it('over TCP to a NestJS consumer, and on to it again after it was away', async () => {
  const address = { host: '127.0.0.1', port: await freePort() };
  let consumer = await startConsumer({ transport: Transport.TCP, options: address });
  const broker = await forwardingBroker({ transport: 'tcp', options: address });
  await sendOrders(broker, 0, 50);
  await until('the first are through', () => received.length === 50);
  expectInOrder(received);
  await consumer.close();
  await sendOrders(broker, 50, 51);
  await until('it failed', async () => (await countsOf(broker)).retrying > 0);
  expect((await deliveryOf(broker, 'order-50')).error).toBe('unreachable: no connection: ECONNREFUSED');
  consumer = await startConsumer({ transport: Transport.TCP, options: address });
  await until('it is through', () => received.some(({ id }) => id === 'order-50'));
  await broker.stop();
  await consumer.close();
});

it('over Redis to a NestJS consumer; what nobody subscribes to is tried again', async () => {
  const { hostname, port } = new URL(process.env.HALFBOX_TEST_REDIS_URL!);
  const address = { host: hostname, port: Number(port) };
  const broker = await forwardingBroker({ transport: 'redis', options: address });
  await sendOrders(broker, 0, 50);
  await until('it failed', async () => (await countsOf(broker)).retrying > 0);
  expect((await deliveryOf(broker, 'order-0')).error).toBe('unreachable: nobody listens for the pattern');
  const consumer = await startConsumer({ transport: Transport.REDIS, options: address });
  await until('all are through', async () => (await countsOf(broker)).backlog === 0);
  expect(new Set(received.map(({ id }) => id)).size).toBe(50);
  expectInOrder(received);
  await broker.stop();
  await consumer.close();
});
