import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { Reject, Retry } from '../../../src/client/index.js';
import { HalfboxContext } from '../../../src/nest/index.js';
import { PrivateRedis } from '../../queue/private-redis.js';
import { until } from '../../queue/until.js';
import { Applications } from './application.js';

describe('HalfboxServer where the application shares Redis', () => {
  let redis: PrivateRedis;
  let applications: Applications;
  beforeAll(async () => {
    redis = await PrivateRedis.start();
    applications = await Applications.begin({ redisUrl: redis.url });
  });
  afterEach(() => applications.reset());
  afterAll(async () => {
    await applications.end();
    await redis.stop();
  });

  it('runs the same handlers through Bull, over one set of connections', async () => {
    const seen: unknown[] = [];
    @Controller()
    class Orders {
      @EventPattern<string>('orders')
      first(@Payload() body: string, @Ctx() { attempt, group }: HalfboxContext): void {
        seen.push([group, body, attempt]);
        if (body === 'reject') throw new Reject('never valid');
        if (body === 'retry' && attempt === 1) throw new Retry({ afterMs: 0 });
      }

      @EventPattern<string>('orders', { group: 'second', ordered: true })
      second(@Payload() body: string, @Ctx() { attempt, group }: HalfboxContext): void {
        seen.push([group, body, attempt]);
      }
    }
    const before = await redis.connections();
    await applications.listening(Orders, { redisUrl: redis.url, retry: { fixedMs: 3_600_000 } });
    expect((await redis.connections()) - before).toBe(2 + 2);
    const [plain, retry, reject] = await applications.send('orders', 'plain', 'retry', 'reject');
    for (const id of [plain, retry]) await applications.untilState('acked', id!);
    expect((await applications.untilState('dead', reject!)).error).toBe('never valid');
    await until('the second has all', () => seen.length === 7);
    expect(seen).toEqual(
      expect.arrayContaining([
        ['g', 'plain', 1],
        ['g', 'retry', 1],
        ['g', 'retry', 2],
        ['g', 'reject', 1],
        ['second', 'plain', 1],
        ['second', 'retry', 1],
        ['second', 'reject', 1],
      ]),
    );
    expect((await applications.broker.get('/v1/subscriptions/orders/second')).body.mode).toBe('queue');
    await applications.reset();
    await until('its connections are closed', async () => (await redis.connections()) === before);
  });

  it('runs them for each message of a job of several', async () => {
    const seen: unknown[] = [];
    @Controller()
    class Orders {
      @EventPattern<string>('packed', { messagesPerJob: 10, retry: { fixedMs: 3_600_000 } })
      handle(@Payload() body: string, @Ctx() { attempt }: HalfboxContext): void {
        seen.push([body, attempt]);
        if (body === 'reject') throw new Reject('never valid');
        if (body === 'retry' && attempt === 1) throw new Retry({ afterMs: 0 });
        if (body === 'throw') throw new Error('no stock');
      }
    }
    await applications.listening(Orders, { redisUrl: redis.url });
    const [plain, retry, reject, thrown] = await applications.send('packed', 'plain', 'retry', 'reject', 'throw');
    for (const id of [plain, retry]) await applications.untilState('acked', id!);
    expect((await applications.untilState('dead', reject!)).error).toBe('never valid');
    expect((await applications.untilState('retry', thrown!)).error).toBe('no stock');
    expect(seen).toHaveLength(5);
    expect((await applications.broker.get('/v1/subscriptions/packed/g')).body.messagesPerJob).toBe(10);
  });

  it('needs no way over HTTP where the subscriptions exist', async () => {
    const seen: unknown[] = [];
    @Controller()
    class Orders {
      @EventPattern<string>('made')
      handle(@Payload() body: unknown): void {
        seen.push(body);
      }
    }
    await applications.broker.put('/v1/subscriptions/made/g', { mode: 'queue' });
    await applications.listening(Orders, { endpoints: undefined, redisUrl: redis.url });
    await applications.send('made', 1);
    await until('seen', () => seen.length === 1);
  });
});
