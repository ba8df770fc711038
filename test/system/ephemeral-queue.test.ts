import { Redis } from 'ioredis';
import { mysqlServer } from '../store/databases.js';
import { BrokerProcess, eventually } from './broker-process.js';

describe('an ephemeral subscription of mode queue', () => {
  jest.setTimeout(120_000);

  it('takes its Bull queue along when it expires', async () => {
    const place = await mysqlServer.provide();
    const redisUrl = process.env['HALFBOX_TEST_REDIS_URL']!;
    const topic = `ephemeral-${Date.now().toString(36)}`;
    const redis = new Redis(redisUrl);
    const keys = () => redis.keys(`halfbox:${topic}.once*`);
    const broker = await BrokerProcess.start({ HALFBOX_STORE_URL: place.url, HALFBOX_REDIS_URL: redisUrl });
    try {
      await broker.put(`/v1/subscriptions/${topic}/once`, { mode: 'queue', expiresAfterIdleMs: 2_000 });
      await broker.commitTransaction(topic, [{ n: 1 }]);
      await eventually('job', async () => ((await keys()).length > 0 ? true : undefined));
      await eventually('expiry', async () => {
        const { status } = await broker.get(`/v1/subscriptions/${topic}/once`);
        return status === 404 ? true : undefined;
      });
      await eventually('end of its keys', async () => ((await keys()).length === 0 ? true : undefined));
    } finally {
      await broker.kill();
      redis.disconnect();
      await place.remove();
    }
  });
});
