import { randomUUID } from 'node:crypto';
import { RedisConnections } from '../../src/queue/bull/redis-connections.js';
import { RedisWakeChannel } from '../../src/queue/bull/redis-wake-channel.js';
import type { Wake } from '../../src/relay/wake-channel.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { PrivateRedis } from './private-redis.js';
import { until } from './until.js';

const topicOf = (wake: Wake): string[] => wake.topics;

describe('redis wake channel', () => {
  let redis: PrivateRedis;
  let nodes: RedisConnections[];
  let name: string;

  beforeAll(async () => {
    redis = await PrivateRedis.start();
  });
  afterAll(() => redis.stop());
  beforeEach(() => {
    nodes = [];
    name = `wake:${randomUUID()}`;
  });
  afterEach(() => nodes.forEach((node) => node.close()));

  async function channel(): Promise<{ channel: RedisWakeChannel; heard: Wake[]; stop: () => void }> {
    const connections = new RedisConnections(redis.url, silentLogger, { reconnectMsMax: 50 });
    nodes.push(connections);
    const made = new RedisWakeChannel(connections, silentLogger, name);
    const heard: Wake[] = [];
    const stop = made.onWake((wake) => heard.push(wake));
    await connections.client.ping();
    await until('subscribed', async () => {
      const [, listening] = (await connections.client.pubsub('NUMSUB', name)) as [string, number];
      return listening >= nodes.length;
    });
    return { channel: made, heard, stop };
  }

  it('tells the other nodes and not its own', async () => {
    const [one, two, three] = [await channel(), await channel(), await channel()];
    const wake: Wake = { topics: ['orders'], subscriptions: [{ topic: 'orders', group: 'mail' }] };
    one.channel.publish(wake);
    await until('both heard', () => two.heard.length === 1 && three.heard.length === 1);
    expect(two.heard).toEqual([wake]);
    two.channel.publish({ topics: ['back'], subscriptions: [] });
    await until('the answer', () => one.heard.length === 1);
    expect(one.heard.map(topicOf)).toEqual([['back']]);
  });

  it('gathers a burst into few messages, each name once', async () => {
    const [one, two] = [await channel(), await channel()];
    for (let n = 0; n < 1_000; n++) {
      one.channel.publish({ topics: [`topic${n % 10}`], subscriptions: [{ topic: 'orders', group: `group${n % 3}` }] });
    }
    await until('all heard', () => new Set(two.heard.flatMap(topicOf)).size === 10);
    expect(two.heard.length).toBeLessThanOrEqual(3);
    expect(two.heard.flatMap(({ subscriptions }) => subscriptions).length).toBeLessThanOrEqual(4);
  });

  it('stops when asked', async () => {
    const [one, two, three] = [await channel(), await channel(), await channel()];
    two.stop();
    one.channel.publish({ topics: ['orders'], subscriptions: [] });
    await until('the third heard', () => three.heard.length === 1);
    expect(two.heard).toEqual([]);
  });

  it('drops wakes while Redis is away, never throws, and works again by itself', async () => {
    const [one, two] = [await channel(), await channel()];
    await redis.kill();
    for (let n = 0; n < 100; n++) one.channel.publish({ topics: [`lost${n}`], subscriptions: [] });
    await redis.restart();
    await until('heard again', () => {
      one.channel.publish({ topics: ['again'], subscriptions: [] });
      return two.heard.some((wake) => wake.topics.includes('again'));
    });
  });

  it('ignores what is no wake', async () => {
    const [one, two] = [await channel(), await channel()];
    await nodes[0]!.client.publish(name, 'x'.repeat(40));
    one.channel.publish({ topics: ['orders'], subscriptions: [] });
    await until('the good one', () => two.heard.length === 1);
    expect(two.heard.map(topicOf)).toEqual([['orders']]);
  });
});
