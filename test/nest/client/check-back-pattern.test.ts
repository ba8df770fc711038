import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { Controller, Module, type DynamicModule, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Transport, type MicroserviceOptions } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import { HalfboxClientModule, HalfboxServer, type HalfboxProducerOptions } from '../../../src/index.js';
import { networkServers, type ApplicationDatabase } from '../../client/local/application-database.js';
import { freePort } from '../../setup/private-server.mjs';
import { sqliteServer } from '../../store/databases.js';
import { BrokerProcess, eventually } from '../../system/broker-process.js';

const script = join(__dirname, '../../client/local/fixtures/shop-process.mjs');
/** Of this run alone: Redis is shared with other tests. */
const pattern = `orders.check.${randomUUID()}`;

interface Way {
  name: string;
  transport: () => Promise<{ transport: string; options: object; service: MicroserviceOptions }>;
  client: (endpoints: string[], shop: HalfboxProducerOptions) => DynamicModule[];
}

const ways: Way[] = [
  {
    name: 'TCP, for the producer of forRoot',
    transport: async () => {
      const options = { host: '127.0.0.1', port: await freePort() };
      return { transport: 'tcp', options, service: { transport: Transport.TCP, options } };
    },
    client: (endpoints, shop) => [HalfboxClientModule.forRoot({ endpoints, ...shop })],
  },
  {
    name: 'Redis, for the producer of forRootAsync',
    transport: async () => {
      const { hostname: host, port } = new URL(process.env['HALFBOX_TEST_REDIS_URL']!);
      const options = { host, port: Number(port) };
      return { transport: 'redis', options, service: { transport: Transport.REDIS, options } };
    },
    client: (endpoints, shop) => [HalfboxClientModule.forRootAsync({ useFactory: () => ({ endpoints, ...shop }) })],
  },
  {
    name: 'TCP, for a producer of forFeature',
    transport: async () => ways[0]!.transport(),
    client: (endpoints, shop) => [
      HalfboxClientModule.forRoot({ endpoints, producer: 'another', dataSource: true }),
      HalfboxClientModule.forFeature([shop]),
    ],
  },
];

describe.each(ways)('checkBackPattern over $name', ({ transport, client }) => {
  jest.setTimeout(90_000);
  let place: { url: string; remove(): Promise<void> };
  let broker: BrokerProcess;
  let database: ApplicationDatabase;
  let application: INestApplication;

  beforeAll(async () => {
    place = await sqliteServer.provide();
    database = await (await networkServers[0]!.provide()).prepare();
    const { service, ...bus } = await transport();
    broker = await BrokerProcess.start({
      HALFBOX_STORE_URL: place.url,
      HALFBOX_MICROSERVICES: JSON.stringify({ bus }),
      HALFBOX_FIRST_CHECK_AFTER_MS: '100',
      HALFBOX_CHECK_INTERVAL_MS: '500',
    });
    const shop: HalfboxProducerOptions = {
      producer: 'shop',
      dataSource: true,
      checkBackPattern: { transport: 'bus', pattern },
      // A transaction of another instance is waited for so long, and five seconds more.
      localTransactionMsMax: 1_000,
    };
    @Controller()
    class Orders {
      @EventPattern<string>('orders')
      handle(): void {}
    }
    @Module({
      imports: [TypeOrmModule.forRoot({ ...database.options(), retryAttempts: 0 }), ...client([broker.url], shop)],
      controllers: [Orders],
    })
    class Application {}
    application = await NestFactory.create(Application, new FastifyAdapter(), { logger: false, abortOnError: false });
    application.connectMicroservice(service);
    // It would refuse a pattern that wants an answer.
    application.connectMicroservice({ strategy: new HalfboxServer({ endpoints: [broker.url], group: 'billing' }) });
    await application.startAllMicroservices();
    await application.init();
    await eventually('registration', async () => {
      const { body } = await broker.get('/v1/producers/shop');
      return body.checkBack?.pattern === pattern ? true : undefined;
    });
  });
  afterAll(async () => {
    await application?.close();
    await database?.close();
    await broker?.stop();
    await place?.remove();
  });

  test.each([
    ['after-local-commit', 'committed'],
    ['before-local-commit', 'rolled_back'],
  ])('a producer that is killed %s: %s', async (stopAt, state) => {
    const argument = JSON.stringify({
      url: broker.url,
      database: database.options(),
      order: stopAt,
      knowsBefore: true,
      stopAt,
    });
    const child = spawn(process.execPath, [script, argument], { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.once('data', () => child.kill('SIGKILL'));
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    const found = await eventually('resolution', async () => {
      const { items } = (await broker.get(`/v1/transactions?producer=shop&state=${state}`)).body;
      return items[0] as { state: string; resolvedBy: string } | undefined;
    });
    expect(found).toMatchObject({ state, resolvedBy: 'check' });
    const orders = await (await database.open()).query(`SELECT id FROM shop_order WHERE id = '${stopAt}'`);
    expect(orders).toHaveLength(state === 'committed' ? 1 : 0);
  });

  test('it answers no HTTP requests', async () => {
    const fastify = application.getHttpAdapter().getInstance() as { printRoutes(): string };
    expect(fastify.printRoutes()).not.toMatch(/GET|POST/);
  });
});
