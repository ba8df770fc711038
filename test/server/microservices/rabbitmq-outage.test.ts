import type { RunningBroker } from '../../api/running-broker.js';
import { until } from '../../queue/until.js';
import type { KillableServer } from '../../setup/killable-server.mjs';
import { countsOf, expectInOrder, forwardingBroker, sendOrders } from './forwarding.js';
import { RabbitmqConsumer } from './rabbitmq-consumer.js';
import { killableRabbitmq } from './killable-servers.js';

let server: KillableServer;
let broker: RunningBroker;

beforeAll(async () => {
  server = await killableRabbitmq();
}, 180_000);

afterAll(async () => {
  await broker?.stop();
  await server?.stop();
});

it('nothing is lost when RabbitMQ is killed while messages flow, and comes back', async () => {
  broker = await forwardingBroker({ transport: 'rmq', options: { urls: [server.url], queue: 'orders' } });
  const consumer = await RabbitmqConsumer.start(server.url, 'orders');
  await sendOrders(broker, 0, 400, 40);
  await until('some are through', () => consumer.ids.size > 40);
  await server.kill();
  const through = consumer.ids.size;
  expect(through).toBeLessThan(400);
  await sendOrders(broker, 400, 600, 40);
  await until('some failed', async () => (await countsOf(broker)).retrying > 0);
  await server.start();
  await until('all are through', () => consumer.ids.size === 600, 90_000);
  await until('all are settled', async () => (await countsOf(broker)).backlog === 0, 90_000);
  expectInOrder(consumer.received);
  expect((await countsOf(broker)).dead).toBe(0);
  await consumer.stop();
}, 180_000);
