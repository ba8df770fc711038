import { Redis } from 'ioredis';
import { InboxBusy, InboxClaimLost, RedisInbox } from '../../../src/client/index.js';
import { until } from '../../queue/until.js';
import { deferred } from '../local/shop.js';
import { message } from './messages.js';

const prefix = 'inbox-test:';

describe('inbox in Redis', () => {
  let redis: Redis;
  let inbox: RedisInbox;

  beforeAll(async () => {
    redis = new Redis(process.env['HALFBOX_TEST_REDIS_URL']!, { keyPrefix: prefix });
    inbox = new RedisInbox({ redis, retentionMs: 60_000, claimMs: 30_000 });
    for (const key of await redis.keys(`${prefix}*`)) await redis.del(key.slice(prefix.length));
  });
  afterAll(() => redis.quit());

  const keyOf = (id: string) => `halfbox:inbox:g:id:orders/${id}`;

  test('the first delivery runs, a repeat does not, until the retention ends', async () => {
    const m = message();
    expect(await inbox.once(m, 'g', async () => 1)).toEqual({ done: true, result: 1 });
    expect(await inbox.once(m, 'g', async () => 2)).toEqual({ done: false });
    expect(await inbox.once(m, 'other', async () => 3)).toEqual({ done: true, result: 3 });
    const remaining = await redis.pttl(keyOf(m.id));
    expect(remaining).toBeGreaterThan(50_000);
    expect(remaining).toBeLessThanOrEqual(60_000);
  });

  test('a business key takes the place of the id', async () => {
    const key = 'größe 7';
    expect(await inbox.once(message(), 'g', async () => 1, { key })).toMatchObject({ done: true });
    expect(await inbox.once(message(), 'g', async () => 1, { key })).toEqual({ done: false });
  });

  test('work that throws runs again', async () => {
    const m = message();
    await expect(inbox.once(m, 'g', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await inbox.once(m, 'g', async () => 1)).toMatchObject({ done: true });
  });

  test('20 deliveries at once: one runs, the others are told to come again', async () => {
    const m = message();
    const mayEnd = deferred();
    let runs = 0;
    const all = Array.from({ length: 20 }, () =>
      inbox.once(m, 'g', async () => {
        runs += 1;
        await mayEnd.promise;
      }),
    );
    const busy = await Promise.allSettled([...all.slice(1)]);
    mayEnd.resolve();
    expect(await all[0]).toMatchObject({ done: true });
    expect(busy.map((each) => each.status === 'rejected' && (each.reason as Error).constructor)).toEqual(
      Array(19).fill(InboxBusy),
    );
    expect(runs).toBe(1);
  });

  test('a claim is renewed while the work runs, and ends when its process is gone', async () => {
    const short = new RedisInbox({ redis, claimMs: 1_000 });
    const m = message();
    let before = Infinity;
    const isRenewed = async () => {
      const remaining = await redis.pttl(keyOf(m.id));
      if (remaining > before) return true;
      before = remaining;
      return false;
    };
    expect(await short.once(m, 'g', () => until('renewal', isRenewed))).toMatchObject({ done: true });

    const dead = message();
    await redis.set(keyOf(dead.id), 'claim:gone', 'PX', 1_000);
    await expect(short.once(dead, 'g', async () => 1)).rejects.toThrow(InboxBusy);
    await until('end of the claim', async () => (await redis.exists(keyOf(dead.id))) === 0);
    expect(await short.once(dead, 'g', async () => 1)).toMatchObject({ done: true });
  });

  test('a claim that was lost meanwhile is not marked as done', async () => {
    const m = message();
    const lost = inbox.once(m, 'g', async () => void (await redis.set(keyOf(m.id), 'claim:other')));
    await expect(lost).rejects.toMatchObject({ constructor: InboxClaimLost, code: 'inbox-claim-lost' });
    expect(await redis.get(keyOf(m.id))).toBe('claim:other');
  });

  test('work that throws does not take another one’s claim away', async () => {
    const m = message();
    const failing = inbox.once(m, 'g', async () => {
      await redis.set(keyOf(m.id), 'claim:other');
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await redis.get(keyOf(m.id))).toBe('claim:other');
  });

  test('a time out of its bounds is refused', () => {
    expect(() => new RedisInbox({ redis, claimMs: 999 })).toThrow(RangeError);
    expect(() => new RedisInbox({ redis, retentionMs: 1.5 })).toThrow(RangeError);
  });
});
