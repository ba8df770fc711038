import type { DataSource } from 'typeorm';
import {
  BrokerRefused,
  BrokerUnreachable,
  HalfboxClient,
  NotSerializable,
  ProducerClosed,
  SendBufferFull,
  SendFailed,
  type Caller,
} from '../../../src/client/index.js';
import type { OutboxSender } from '../../../src/client/local/outbox/forwarded-batch.js';
import { Outbox } from '../../../src/client/local/outbox/outbox.js';
import { errorText, readSendFailure } from '../../../src/client/local/outbox/send-failure.js';
import { applicationServers, type ApplicationDatabase } from '../local/application-database.js';
import { addAll, byKey, drain, Forwarding } from './outbox-fixture.js';

const now = Date.now();

describe.each(applicationServers)('messages of the outbox that fail, on $name', ({ provide, dialect }) => {
  let database: ApplicationDatabase;
  let dataSource: DataSource;
  let outbox: Outbox;
  let forwarding: Forwarding;

  beforeAll(async () => {
    forwarding = await Forwarding.start();
    database = await (await provide()).prepare();
    dataSource = await database.open();
    outbox = new Outbox(dataSource);
  });
  beforeEach(async () => {
    await dataSource.query('DELETE FROM halfbox_outbox');
    await dataSource.query('DELETE FROM halfbox_lease');
  });
  afterEach(() => forwarding.stopForwarders());
  afterAll(async () => {
    await forwarding.stop();
    await database.close();
  });

  /** Messages of three keys and of none; the second and the ninth are too large for their topic. */
  const withPoison = async (topic: string) => {
    const large = 'x'.repeat(2_000);
    const body = (n: number) => (n === 1 || n === 8 ? large : n);
    const messages = Array.from({ length: 12 }, (_, n) => {
      const orderingKey = n % 4 === 3 ? undefined : `k${n % 4}`;
      return { id: `${topic}-${n}`, topic, ...(orderingKey && { orderingKey }), body: body(n) };
    });
    await addAll(outbox, dataSource, messages);
  };

  test('a refused message is set aside with its error, blocks its own key only, and is sent on demand', async () => {
    const topic = await forwarding.topic({ maxBodyBytes: 1_024 });
    await withPoison(topic);
    const forwarder = forwarding.forwarder(dataSource);
    await drain(forwarder, now);
    // The other messages of k1 and the one of k0 after the refused one stay.
    expect(await outbox.counts()).toMatchObject({ waiting: 2, failed: 2 });
    expect(byKey(await forwarding.received(topic, 8))).toEqual({ '': [11, 3, 7], k0: [0, 4], k2: [2, 6, 10] });
    const failed = await outbox.failed();
    expect(failed).toMatchObject([
      { id: `${topic}-1`, attempts: 1, failedAt: now, retryAt: undefined, message: { topic, orderingKey: 'k1' } },
      { id: `${topic}-8`, attempts: 1, error: expect.stringContaining('body-too-large') },
    ]);
    expect(await outbox.failed({ after: failed[0]!.seq, limit: 1 })).toEqual([failed[1]]);
    expect(forwarder.counts()).toEqual({ sent: 8, refused: 2, deferred: 0 });

    // Nothing is tried by itself, and a message that comes later waits as well.
    await addAll(outbox, dataSource, [{ topic, orderingKey: 'k1', body: 13 }]);
    await drain(forwarder, now + 3_600_000);
    expect(await outbox.counts()).toMatchObject({ waiting: 3, failed: 2 });

    // A retry that fails again holds the key as before.
    expect(await outbox.retry([`${topic}-1`])).toBe(1);
    await drain(forwarder, now);
    expect((await outbox.failed()).map(({ attempts }) => attempts)).toEqual([2, 1]);

    await forwarding.broker.put(`/v1/topics/${topic}`, { maxBodyBytes: 4_096 });
    expect(await outbox.retry()).toBe(2);
    await drain(forwarder, now);
    const large = 'x'.repeat(2_000);
    expect(byKey(await forwarding.received(topic, 5))).toEqual({ k0: [large], k1: [large, 5, 9, 13] });
    expect(await outbox.counts()).toMatchObject({ waiting: 0, failed: 0 });
  });

  test('a discarded message is gone, and its key goes on', async () => {
    const topic = await forwarding.topic({ maxBodyBytes: 1_024 });
    await withPoison(topic);
    const forwarder = forwarding.forwarder(dataSource);
    await drain(forwarder, now);
    expect(await outbox.discard([`${topic}-1`, `${topic}-5`])).toBe(1);
    expect(await outbox.discard([])).toBe(0);
    await drain(forwarder, now);
    expect(byKey(await forwarding.received(topic, 10))).toMatchObject({ k1: [5, 9] });
    expect(await outbox.failed()).toMatchObject([{ id: `${topic}-8` }]);
  });

  test('with failedBlocksKey false the later messages of the key go on', async () => {
    const topic = await forwarding.topic({ maxBodyBytes: 1_024 });
    await withPoison(topic);
    await drain(forwarding.forwarder(dataSource, { failedBlocksKey: false }), now);
    expect(byKey(await forwarding.received(topic, 10))).toMatchObject({ k1: [5, 9], k0: [0, 4] });
    expect(await outbox.counts()).toMatchObject({ waiting: 0, failed: 2 });
  });

  test('an id that the broker knows with other content is refused', async () => {
    const topic = await forwarding.topic();
    await forwarding.client.send([{ id: `used-${topic}`, topic, body: 1 }]);
    await addAll(outbox, dataSource, [{ id: `used-${topic}`, topic, body: 2 }]);
    await drain(forwarding.forwarder(dataSource), now);
    expect(await outbox.failed()).toMatchObject([{ error: expect.stringContaining('id-reused') }]);
  });

  test('a message that fails for an unclear reason is tried again after growing waits, in the order of its key', async () => {
    const topic = await forwarding.topic();
    let isIll = true;
    const sender: OutboxSender = {
      send: async (messages) => {
        if (isIll && messages.some(({ body }) => body === 'ill')) throw new BrokerRefused('internal', 500, 'ouch');
        await forwarding.client.send(messages);
      },
    };
    await addAll(outbox, dataSource, [
      { topic, orderingKey: 'k', body: 'ill' },
      { topic, orderingKey: 'k', body: 'after' },
      { topic, body: 'other' },
    ]);
    const forwarder = forwarding.forwarder(dataSource, { sender, retryMsMax: 3_000 });
    let at = now;
    for (const waitMs of [1_000, 2_000, 3_000, 3_000]) {
      await drain(forwarder, at);
      expect(await outbox.failed()).toMatchObject([{ error: 'internal: ouch', retryAt: at + waitMs }]);
      at += waitMs;
    }
    isIll = false;
    await drain(forwarder, at - 1);
    expect(await outbox.counts()).toMatchObject({ failed: 1 });
    await drain(forwarder, at + 1_000);
    expect(byKey(await forwarding.received(topic, 3))).toEqual({ k: ['ill', 'after'], '': ['other'] });
    expect(forwarder.counts()).toEqual({ sent: 3, refused: 0, deferred: 4 });
  });

  test.each(['', '{}', '{"messages":[]}', '<html>hello</html>', 'null'])(
    'what answers 200 with %j is no broker: nothing is deleted',
    async (text) => {
      const proxy: Caller = { call: async () => ({ status: 200, text }), close: async () => undefined };
      await addAll(outbox, dataSource, [{ topic: 't', body: 1 }]);
      const forwarder = forwarding.forwarder(dataSource, { sender: new HalfboxClient(proxy) });
      await expect(forwarder.runOnce(now)).rejects.toMatchObject({ code: 'broker-unreachable' });
      expect(await outbox.counts()).toMatchObject({ waiting: 1, failed: 0 });
    },
  );

  test('a row that is no message is set aside, and the others go', async () => {
    const topic = await forwarding.topic();
    await addAll(outbox, dataSource, [
      { id: `bad-${topic}`, topic, body: 1 },
      { topic, body: 2 },
    ]);
    const bytes = { mysql: `'{"topic'`, postgres: `'{"topic'::bytea`, sqlite: `CAST('{"topic' AS BLOB)` }[dialect];
    await dataSource.query(`UPDATE halfbox_outbox SET message = ${bytes} WHERE id = 'bad-${topic}'`);
    await drain(forwarding.forwarder(dataSource), now);
    expect(byKey(await forwarding.received(topic, 1))).toEqual({ '': [2] });
    expect(await outbox.failed()).toMatchObject([
      { id: `bad-${topic}`, retryAt: undefined, error: expect.stringContaining('JSON'), message: undefined },
    ]);
    expect(await outbox.discard([`bad-${topic}`])).toBe(1);
  });

  test('a sender that fails for all is not taken for bad messages', async () => {
    await addAll(
      outbox,
      dataSource,
      Array.from({ length: 100 }, (_, n) => ({ topic: 't', body: n })),
    );
    const sender: OutboxSender = { send: () => Promise.reject(new Error('no idea')) };
    const forwarder = forwarding.forwarder(dataSource, { sender });
    await expect(forwarder.runOnce(now)).rejects.toThrow('no idea');
    expect(await outbox.counts()).toMatchObject({ waiting: 98, failed: 2 });
  });
});

describe('what a failed send says', () => {
  const refused = (status: number, code = 'x') => new BrokerRefused(code, status, 'd');
  const cause = new Error('c');

  test('it is the message, or everything, or not clear', () => {
    const errors = {
      refused: [
        refused(400),
        refused(404, 'topic-not-found'),
        refused(409),
        refused(413, 'not-a-broker'),
        new SendFailed(false, ['a'], 3, refused(400)),
        new NotSerializable('t', cause),
      ],
      away: [
        refused(401),
        refused(403),
        refused(404, 'not-a-broker'),
        refused(429),
        refused(503),
        new BrokerUnreachable('u', true, cause),
        new SendFailed(true, ['a'], 3, new BrokerUnreachable('u', true, cause)),
        new SendBufferFull('x'),
        new ProducerClosed('p'),
      ],
      unclear: [refused(500), new SendFailed(true, ['a'], 3, refused(500)), cause, undefined],
    };
    for (const [failure, each] of Object.entries(errors)) {
      expect(each.map((error) => [error, readSendFailure(error)])).toEqual(each.map((error) => [error, failure]));
    }
  });

  test('an operator reads the broker’s words, as plain ASCII of a bounded length', () => {
    const fields = [{ path: 'messages.0.topic', reason: 'no ✓' }];
    const error = new SendFailed(false, ['a'], 1, new BrokerRefused('validation-failed', 400, 'bad\n', fields));
    expect(errorText(error)).toBe('validation-failed: bad?; messages.0.topic: no ?');
    expect(errorText(new Error('x'.repeat(5_000)))).toHaveLength(1_000);
  });
});
