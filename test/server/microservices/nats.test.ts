import { Transport } from '@nestjs/microservices';
import { until } from '../../queue/until.js';
import { thisMachine } from '../../setup/machine.mjs';
import { natsServer } from '../../setup/nats-server.mjs';
import { provide } from '../../setup/provide.mjs';
import type { KillableServer } from '../../setup/killable-server.mjs';
import { asksOver } from './asking.js';
import { countsOf, deliveryOf, expectInOrder, forwardingBroker, sendOrders } from './forwarding.js';
import { NatsConsumer } from './nats-consumer.js';
import { killableNats } from './killable-servers.js';

describe('asking over NATS', () => {
  let server: { url: string; stop: () => Promise<void> };

  afterAll(async () => {
    await server?.stop();
  });

  asksOver(async () => {
    server = await provide(natsServer, thisMachine);
    const options = { servers: server.url };
    return {
      transport: { transport: 'nats', options },
      service: { transport: Transport.NATS, options },
      withoutHandler: 'unreachable',
      withoutService: 'unreachable',
    };
  });
});

describe('forwarding to NATS', () => {
  let server: KillableServer;

  beforeEach(async () => {
    server = await killableNats();
  }, 180_000);

  afterEach(async () => {
    await server.stop();
  });

  it('messages are events, in the order of their keys, with the headers of a push', async () => {
    const consumer = await NatsConsumer.start(server.url);
    const broker = await forwardingBroker({ transport: 'nats', options: { servers: [server.url] } });
    await sendOrders(broker, 0, 100);
    await until('all are settled', async () => (await countsOf(broker)).backlog === 0);
    expect(consumer.received).toHaveLength(100);
    expectInOrder(consumer.received);
    const { raw, ...message } = consumer.received.find(({ id }) => id === 'order-7')!;
    expect(message).toMatchObject({ id: 'order-7', topic: 'orders', key: 'k7', attempt: 1, body: { order: 7 } });
    expect(raw.headers?.get('halfbox-message-id')).toBe('order-7');
    expect(raw.headers?.get('Nats-Msg-Id')).toBe('orders/out/order-7');
    await broker.stop();
    await consumer.stop();
  });

  it('what nobody subscribes to is tried again until somebody does', async () => {
    const broker = await forwardingBroker({ transport: 'nats', options: { servers: [server.url] } });
    await sendOrders(broker, 0, 5);
    await until('one failed', async () => (await countsOf(broker)).retrying > 0);
    expect((await deliveryOf(broker, 'order-0')).error).toBe('unreachable: nobody listens for the pattern');
    const consumer = await NatsConsumer.start(server.url);
    await until('all are settled', async () => (await countsOf(broker)).backlog === 0);
    expect(consumer.ids.size).toBe(5);
    expectInOrder(consumer.received);
    await broker.stop();
    await consumer.stop();
  });

  // What NATS had confirmed and not yet passed on when it was killed would be lost: core NATS stores nothing.
  it('what is sent while NATS is down goes through when it and its subscriber are back', async () => {
    const consumer = await NatsConsumer.start(server.url);
    const broker = await forwardingBroker({ transport: 'nats', options: { servers: [server.url] } });
    await sendOrders(broker, 0, 50);
    await until('the first are through', () => consumer.ids.size === 50);
    await server.kill();
    await sendOrders(broker, 50, 150);
    await until('one failed', async () => (await countsOf(broker)).retrying > 0);
    await server.start();
    await until('all are through', () => consumer.ids.size === 150, 60_000);
    await until('all are settled', async () => (await countsOf(broker)).backlog === 0);
    expectInOrder(consumer.received);
    expect((await countsOf(broker)).dead).toBe(0);
    await broker.stop();
    await consumer.stop();
  }, 90_000);

  it('a message that NATS never takes fails without holding up the others', async () => {
    const consumer = await NatsConsumer.start(server.url);
    const broker = await forwardingBroker({ transport: 'nats', options: { servers: [server.url] } });
    // NATS takes 1 MiB at most.
    const large = { id: 'large', topic: 'orders', body: 'x'.repeat(1_100_000) };
    expect((await broker.post('/v1/messages', large)).status).toBe(201);
    await sendOrders(broker, 0, 10);
    await until('the others are through', () => consumer.ids.size === 10);
    await until('it failed', async () => (await deliveryOf(broker, 'large')).state === 'retry');
    expect((await deliveryOf(broker, 'large')).error).toMatch(/^refused: the transport refused the message/);
    await broker.stop();
    await consumer.stop();
  });
});
