import { connect } from '../../../src/client/index.js';
import { mysqlServer } from '../../store/databases.js';
import { BrokerProcess, eventually } from '../../system/broker-process.js';

/** Two real broker processes on one database; one is killed while a producer sends. */
describe('Producer and the kill of a broker', () => {
  jest.setTimeout(120_000);

  it('sends everything, once and in order, through the broker that is left', async () => {
    const place = await mysqlServer.provide();
    const brokers = [
      await BrokerProcess.start({ HALFBOX_STORE_URL: place.url }),
      await BrokerProcess.start({ HALFBOX_STORE_URL: place.url }),
    ];
    const [killed, left] = [brokers[0]!, brokers[1]!];
    const halfbox = connect({ endpoints: brokers.map(({ url }) => url) });
    const producer = halfbox.producer('shop', { batchItemsMax: 5 });
    try {
      const answeredBy = new Set<string>();
      await eventually('calls to both brokers', async () => {
        const { endpoint } = await halfbox.caller.call({ method: 'GET', path: '/v1/topics', timeoutMs: 5_000 });
        answeredBy.add(endpoint!);
        return answeredBy.size === 2 ? true : undefined;
      });
      const sends: Promise<{ id: string; offset?: number | undefined }>[] = [];
      const sendMore = async (count: number) => {
        for (let n = 0; n < count; n += 1) {
          sends.push(producer.send({ topic: 'orders', orderingKey: 'k', body: sends.length }));
          if (n % 10 === 9) await sends.at(-1);
        }
      };
      await sendMore(100);
      let isKilled = false;
      const killing = killed.kill().then(() => (isKilled = true));
      while (!isKilled) await sendMore(10);
      await killing;
      await sendMore(100);
      const places = await Promise.all(sends);
      expect(places.map(({ offset }) => offset)).toEqual(places.map((_, n) => n));
      expect(new Set(places.map(({ id }) => id)).size).toBe(sends.length);
      // An offset past the last one would be a message that was stored twice.
      const last = await left.post('/v1/messages', { topic: 'orders', orderingKey: 'k', body: 'last' });
      expect(last.body.messages[0].offset).toBe(sends.length);
      const { done, failed, retries } = producer.metrics().sends;
      expect([done, failed]).toEqual([sends.length, 0]);
      expect(retries).toBeGreaterThanOrEqual(1);
    } finally {
      await halfbox.close();
      await Promise.all(brokers.map((broker) => broker.kill()));
      await place.remove();
    }
  });
});
