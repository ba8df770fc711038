import { Transport } from '@nestjs/microservices';
import { connect, type ChannelModel } from 'amqplib';
import { newId } from '../../../src/message/message-id.js';
import type { RunningBroker } from '../../api/running-broker.js';
import { until } from '../../queue/until.js';
import { thisMachine } from '../../setup/machine.mjs';
import { provide } from '../../setup/provide.mjs';
import { rabbitmqServer } from '../../setup/rabbitmq-server.mjs';
import { asksOver } from './asking.js';
import { countsOf, deliveryOf, expectInOrder, forwardingBroker, sendOrders } from './forwarding.js';
import { RabbitmqConsumer } from './rabbitmq-consumer.js';

let server: { url: string; stop: () => Promise<void> };

beforeAll(async () => {
  server = await provide(rabbitmqServer, thisMachine);
}, 180_000);

afterAll(async () => {
  await server?.stop();
});

describe('asking over RabbitMQ', () => {
  asksOver(() => {
    const options = { urls: [server.url], queue: `checks-${newId()}`, queueOptions: { durable: false } };
    return Promise.resolve({
      transport: { transport: 'rmq', options },
      service: { transport: Transport.RMQ, options },
      withoutHandler: 'unreachable',
      withoutService: 'timeout',
    });
  });
});

describe('forwarding to RabbitMQ', () => {
  let admin: ChannelModel;
  let broker: RunningBroker;
  let queue: string;

  beforeEach(async () => {
    queue = `orders-${newId()}`;
    admin = await connect(server.url);
    broker = await forwardingBroker({ transport: 'rmq', options: { urls: [server.url], queue } });
  });

  afterEach(async () => {
    await broker.stop();
    await admin.close();
  });

  it('messages are persistent events in a durable queue, in the order of their keys', async () => {
    const ids = await sendOrders(broker, 0, 100);
    await until('all are settled', async () => (await countsOf(broker)).backlog === 0);
    // Nobody consumed yet: the queue keeps them, and is durable, as a consumer that declares it so may have it.
    const consumer = await RabbitmqConsumer.start(server.url, queue);
    await until('all are consumed', () => consumer.ids.size === ids.length);
    expect(consumer.received.map(({ id }) => id).sort()).toEqual([...ids].sort());
    expectInOrder(consumer.received);
    const { raw, ...message } = consumer.received.find(({ id }) => id === 'order-7')!;
    expect(message).toMatchObject({ id: 'order-7', topic: 'orders', key: 'k7', attempt: 1, body: { order: 7 } });
    expect(raw.properties).toMatchObject({
      deliveryMode: 2,
      messageId: 'order-7',
      headers: {
        'halfbox-topic': 'orders',
        'halfbox-group': 'out',
        'halfbox-message-id': 'order-7',
        'halfbox-attempt': '1',
      },
    });
    await consumer.stop();
  });

  it('what no queue takes is tried again, not dropped', async () => {
    await sendOrders(broker, 0, 1);
    await until('the first is settled', async () => (await countsOf(broker)).backlog === 0);
    const channel = await admin.createChannel();
    await channel.deleteQueue(queue);
    await sendOrders(broker, 1, 2);
    await until('it failed', async () => (await deliveryOf(broker, 'order-1')).state === 'retry');
    expect((await deliveryOf(broker, 'order-1')).error).toBe('unreachable: nobody listens for the pattern');
    await channel.assertQueue(queue, { durable: true });
    await until('it went through', async () => (await deliveryOf(broker, 'order-1')).state === 'acked');
    expect((await channel.checkQueue(queue)).messageCount).toBe(1);
  });

  it('a queue that cannot be declared is a failed attempt, and is declared again later', async () => {
    const channel = await admin.createChannel();
    await channel.assertQueue(queue, { durable: false });
    await sendOrders(broker, 0, 1);
    await until('it failed', async () => (await deliveryOf(broker, 'order-0')).state === 'retry');
    expect((await deliveryOf(broker, 'order-0')).error).toBe('unreachable: no connection: 406');
    await channel.deleteQueue(queue);
    await until('it went through', async () => (await deliveryOf(broker, 'order-0')).state === 'acked');
  });
});
