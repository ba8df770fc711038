import { ConsoleLogger, Logger as NestLogger } from '@nestjs/common';
import type { SettingOptions } from '../../../src/config/settings.js';
import { completeSettings } from '../../../src/config/settings.js';
import type { ExternalMessage } from '../../../src/deliver/external-sender.js';
import type { Logger } from '../../../src/runtime/logger.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { Microservices } from '../../../src/server/microservices/microservices.js';
import { freePort } from '../../setup/private-server.mjs';
import { PrivateRedis } from '../../queue/private-redis.js';
import type { KillableServer } from '../../setup/killable-server.mjs';
import { NatsConsumer } from './nats-consumer.js';
import { RabbitmqConsumer } from './rabbitmq-consumer.js';
import { killableNats, killableRabbitmq } from './killable-servers.js';

function microservices(transports: SettingOptions['microservices'], logger: Logger = silentLogger): Microservices {
  return new Microservices(completeSettings({ microservices: transports }).microservices!, logger);
}

function message(order: number): ExternalMessage {
  const id = `order-${order}`;
  const data = { id, topic: 'orders', body: { order } };
  return { id, topic: 'orders', group: 'out', attempt: 1, partitionKey: id, data };
}

describe.each([
  [
    'RabbitMQ',
    killableRabbitmq,
    (url: string) => ({ transport: 'rmq' as const, options: { urls: [url], queue: 'orders' } }),
    (url: string) => RabbitmqConsumer.start(url, 'orders'),
  ],
  [
    'NATS',
    killableNats,
    (url: string) => ({ transport: 'nats' as const, options: { servers: url } }),
    (url: string) => NatsConsumer.start(url),
  ],
])('%s', (_, startServer, transportTo, consumerOf) => {
  let server: KillableServer;
  let transports: Microservices;

  beforeAll(async () => {
    server = await startServer();
    transports = microservices({ bus: transportTo(server.url) });
  }, 180_000);

  afterAll(async () => {
    await transports?.close();
    await server?.stop();
  });

  it('a server that hangs fails the messages in time, and is used again when it goes on', async () => {
    const consumer = await consumerOf(server.url);
    await transports.emit('bus', 'orders', message(1), 10_000);
    await server.pause();
    const waiting = [2, 3].map((order) => transports.emit('bus', 'orders', message(order), 500));
    const ends = await Promise.allSettled(waiting);
    server.resume();
    expect(ends.map((end) => (end as PromiseRejectedResult).reason)).toEqual([
      expect.objectContaining({ name: 'MicroserviceFailure' }),
      expect.objectContaining({ name: 'MicroserviceFailure' }),
    ]);
    expect((ends[0] as PromiseRejectedResult).reason).toMatchObject({ kind: 'timeout' });
    await transports.emit('bus', 'orders', message(4), 10_000);
    await consumer.stop();
  }, 60_000);

  it('nothing is sent after it was closed', async () => {
    await transports.close();
    await expect(transports.emit('bus', 'orders', message(5), 10_000)).rejects.toMatchObject({ kind: 'unreachable' });
  });
});

describe('what is told of a transport', () => {
  const lines: unknown[] = [];
  const note = (level: string) => (fields: object, text: string) => void lines.push([level, fields, text]);
  const logger: Logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  let redis: PrivateRedis;

  beforeAll(async () => {
    redis = await PrivateRedis.start();
    await redis.ask((client) => client.config('SET', 'requirepass', 'open-sesame'));
  });

  afterAll(() => redis.stop());

  it('is never a password, an address or the words of an error, on the console or in the log', async () => {
    NestLogger.overrideLogger(new ConsoleLogger());
    const written: string[] = [];
    const spies = [process.stdout, process.stderr].map((stream) =>
      jest.spyOn(stream, 'write').mockImplementation((chunk) => {
        written.push(String(chunk));
        return true;
      }),
    );
    const nowhere = await freePort();
    const transports = microservices(
      {
        locked: { transport: 'redis', options: { port: Number(new URL(redis.url).port), password: 'hush' } },
        rabbit: { transport: 'rmq', options: { urls: [`amqp://user:hush@127.0.0.1:${nowhere}`], queue: 'orders' } },
        broken: { transport: 'rmq', options: { urls: ['amqp://user:hush@[not-a-host'], queue: 'orders' } },
        nats: { transport: 'nats', options: { servers: `127.0.0.1:${nowhere}`, user: 'user', pass: 'hush' } },
      },
      logger,
    );
    const failures = await Promise.allSettled(
      ['locked', 'rabbit', 'broken', 'nats'].map((name) => transports.emit(name, 'orders', message(1), 2_000)),
    );
    await transports.close();
    spies.forEach((spy) => spy.mockRestore());
    NestLogger.overrideLogger(false);
    const said = JSON.stringify([lines, failures.map((failure) => String((failure as PromiseRejectedResult).reason))]);
    expect(failures.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected']);
    expect(lines).toContainEqual(['warn', expect.objectContaining({ transport: 'rabbit' }), expect.any(String)]);
    expect(said).not.toMatch(/hush|127\.0\.0\.1|not-a-host/);
    expect(written.join('')).toBe('');
  });
});
