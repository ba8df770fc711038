import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { DataSource } from 'typeorm';
import { BrokerUnreachable, HalfboxClient, HttpCaller, Producer, type Message } from '../../../src/client/index.js';
import type { OutboxSender } from '../../../src/client/local/outbox/forwarded-batch.js';
import { Outbox } from '../../../src/client/local/outbox/outbox.js';
import { until } from '../../queue/until.js';
import { deferred } from '../local/shop.js';
import { applicationServers, type ApplicationDatabase } from '../local/application-database.js';
import { addAll, byKey, drain, Forwarding, numbered, untilEmpty } from './outbox-fixture.js';

describe.each(applicationServers)('outbox forwarder on $name', ({ provide, dialect }) => {
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

  test('messages arrive as they were given, with their ids', async () => {
    const topic = await forwarding.topic();
    const messages: Message[] = [
      {
        id: 'full',
        topic,
        key: 'schlüssel',
        tag: 'a',
        orderingKey: 'ö',
        headers: { h: '✓' },
        body: { z: 1, a: '🍵', n: 1e21 },
      },
      { id: 'bytes', topic, bodyBase64: Buffer.from([0, 1, 255]).toString('base64'), contentType: 'image/png' },
      { id: 'null', topic, body: null, delayMs: 1 },
    ];
    await addAll(outbox, dataSource, messages);
    const forwarder = forwarding.forwarder(dataSource);
    await drain(forwarder);
    const received = await forwarding.received(topic, 3);
    const { delayMs: _delayMs, ...last } = messages[2]!;
    for (const message of [...messages.slice(0, 2), last]) {
      expect(received.find(({ id }) => id === message.id)).toMatchObject(message);
    }
    expect(await outbox.counts()).toEqual({ waiting: 0, failed: 0, oldestWaitingMs: 0 });
    expect(forwarder.counts()).toEqual({ sent: 3, refused: 0, deferred: 0 });
  });

  test('what is not committed is not sent, and a row that becomes visible late is not skipped', async () => {
    const topic = await forwarding.topic();
    const forwarder = forwarding.forwarder(dataSource);
    const isWritten = deferred();
    const mayCommit = deferred();
    const late = dataSource.transaction(async (manager) => {
      await outbox.add(manager, { topic, orderingKey: 'k', body: 'late' });
      isWritten.resolve();
      await mayCommit.promise;
    });
    await isWritten.promise;
    if (dialect !== 'sqlite') {
      // Its number is higher, and neither reading nor deleting it waits for the open transaction.
      await addAll(outbox, dataSource, [{ topic, orderingKey: 'k', body: 'early' }]);
      await drain(forwarder);
      expect(await outbox.counts()).toMatchObject({ waiting: 0 });
    }
    const running = drain(forwarder);
    if (dialect !== 'sqlite') await running;
    mayCommit.resolve();
    await Promise.all([late, running]);
    await drain(forwarder);
    const expected = dialect === 'sqlite' ? ['late'] : ['early', 'late'];
    expect(byKey(await forwarding.received(topic, expected.length))).toEqual({ k: expected });
  });

  if (dialect === 'mysql') {
    test('what is not committed is not sent where sessions read uncommitted rows either', async () => {
      const topic = await forwarding.topic();
      const careless = await database.open({ poolSize: 1 });
      await careless.query('SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED');
      const forwarder = forwarding.forwarder(careless);
      const rolledBack = dataSource.transaction(async (manager) => {
        await outbox.add(manager, { topic, body: 'never' });
        await drain(forwarder);
        throw new Error('rolled back');
      });
      await expect(rolledBack).rejects.toThrow('rolled back');
      await addAll(outbox, dataSource, [{ topic, body: 'committed' }]);
      await drain(forwarder);
      expect(byKey(await forwarding.received(topic, 1))).toEqual({ '': ['committed'] });
    });
  }

  test('1,000 messages over 20 ordering keys, two forwarders at once that both believe to hold the lease', async () => {
    const topic = await forwarding.topic();
    const { messages, expected } = numbered(topic, 1_000, 20);
    for (let from = 0; from < 1_000; from += 250) await addAll(outbox, dataSource, messages.slice(from, from + 250));
    const other = await database.open();
    const producer = new Producer({ name: 'shop', caller: new HttpCaller({ url: forwarding.broker.url }) });
    const forwarders = [
      forwarding.forwarder(dataSource, { instance: 'same', batchMax: 70, intervalMs: 10 }),
      forwarding.forwarder(other, { instance: 'same', batchMax: 90, intervalMs: 10, sender: producer }),
    ];
    for (const forwarder of forwarders) forwarder.start();
    await untilEmpty(outbox);
    await forwarding.stopForwarders();
    expect(byKey(await forwarding.received(topic, 1_000))).toEqual(expected);
    expect(forwarders.map((forwarder) => forwarder.counts().sent > 0)).toEqual([true, true]);
    expect(await outbox.counts()).toMatchObject({ failed: 0 });
    await producer.close();
  });

  test('one forwarder is killed after its batch was stored: others go on, nothing is lost, stored twice or out of order', async () => {
    const topic = await forwarding.topic();
    const { messages, expected } = numbered(topic, 1_000, 20);
    await addAll(outbox, dataSource, messages);
    const { driver: _driver, ...options } = database.options() as { driver?: unknown };
    const child = fork(join(__dirname, 'fixtures/forwarder.mjs'), [forwarding.broker.url, JSON.stringify(options)]);
    const exited = once(child, 'exit');
    const [said] = (await Promise.race([once(child, 'message'), exited])) as unknown[];
    child.kill('SIGKILL');
    expect(said).toBe('stored');
    await exited;
    expect(await outbox.counts()).toMatchObject({ waiting: 900 });
    const other = await database.open();
    const forwarders = [dataSource, other].map((each) => forwarding.forwarder(each, { batchMax: 60, intervalMs: 10 }));
    for (const forwarder of forwarders) forwarder.start();
    await untilEmpty(outbox);
    expect(byKey(await forwarding.received(topic, 1_000))).toEqual(expected);
    // One at a time had the lease, and sent again what the killed one had not deleted.
    expect(forwarders.map((forwarder) => forwarder.counts().sent).sort((a, b) => a - b)).toEqual([0, 900]);
  });

  test('a lost answer: what is sent again has the same content, and is stored once', async () => {
    const topic = await forwarding.topic();
    const body = { b: [1.5, -0, 'é\u0000\u2028'], a: { z: null, y: true } };
    await addAll(outbox, dataSource, [
      { id: `lost-${topic}`, topic, headers: { z: '1', a: '2' }, body },
      { id: `raw-${topic}`, topic, bodyBase64: 'AAEC', deliverAt: '2020-01-01T00:00:00+02:00' },
    ]);
    const sent: string[] = [];
    const sender: OutboxSender = {
      send: async (messages) => {
        await forwarding.client.send(messages);
        sent.push(JSON.stringify(messages));
        if (sent.length === 1) throw new BrokerUnreachable(forwarding.broker.url, true, new Error('cut'));
      },
    };
    const forwarder = forwarding.forwarder(dataSource, { sender });
    await expect(forwarder.runOnce(Date.now())).rejects.toThrow(BrokerUnreachable);
    await drain(forwarder);
    expect(sent).toHaveLength(2);
    expect(sent[1]).toBe(sent[0]);
    expect(await outbox.counts()).toMatchObject({ waiting: 0, failed: 0 });
    await forwarding.received(topic, 2);
  });

  test('an id that is written twice is stored once, also within one batch', async () => {
    const topic = await forwarding.topic();
    const twice = { id: `twice-${topic}`, topic, body: 1 };
    await addAll(outbox, dataSource, [twice, { topic, body: 2 }, twice]);
    await drain(forwarding.forwarder(dataSource));
    await forwarding.received(topic, 2);
    expect(await outbox.counts()).toMatchObject({ waiting: 0, failed: 0 });
  });

  test('a commit wakes the forwarder of its process', async () => {
    const topic = await forwarding.topic();
    const forwarder = forwarding.forwarder(dataSource, { outbox, intervalMs: 3_600_000, leaseMs: 60_000 });
    await forwarder.runOnce(Date.now());
    forwarder.start();
    await addAll(outbox, dataSource, [{ topic, body: 1 }]);
    await forwarding.received(topic, 1);
  });

  test('the broker is away and comes back', async () => {
    const topic = await forwarding.topic();
    let url = 'http://127.0.0.1:9';
    const sender: OutboxSender = {
      send: async (messages) => {
        const client = new HalfboxClient(new HttpCaller({ url }));
        await client.send(messages).finally(() => client.close());
      },
    };
    await addAll(outbox, dataSource, [{ topic, body: 1 }]);
    let failures = 0;
    const warn = () => (failures += 1);
    const logger = { debug: warn, info() {}, warn, error() {} };
    const forwarder = forwarding.forwarder(dataSource, { sender, intervalMs: 10, awayMsMax: 20, logger });
    forwarder.start();
    await until('failed tries', () => failures >= 3);
    await addAll(outbox, dataSource, [{ topic, body: 2 }]);
    expect(await outbox.counts()).toMatchObject({ waiting: 2, failed: 0 });
    url = forwarding.broker.url;
    await untilEmpty(outbox);
    await forwarding.received(topic, 2);
  });

  test('the lease: one at a time, given back by a stop and by one that reaches no broker', async () => {
    const topic = await forwarding.topic();
    const holder = forwarding.forwarder(dataSource, { leaseMs: 60_000 });
    const standby = forwarding.forwarder(dataSource, { leaseMs: 60_000 });
    const cutOff = forwarding.forwarder(dataSource, {
      leaseMs: 60_000,
      sender: { send: () => Promise.reject(new BrokerUnreachable('x', false, new Error('no'))) },
    });
    const send = () => addAll(outbox, dataSource, [{ topic, body: 1 }]);
    await send();
    await drain(holder);
    await send();
    await drain(standby);
    expect([holder.counts().sent, standby.counts().sent]).toEqual([1, 0]);
    await holder.stop();
    await expect(cutOff.runOnce(Date.now())).rejects.toThrow(BrokerUnreachable);
    await drain(standby);
    expect(standby.counts().sent).toBe(1);
    await forwarding.received(topic, 2);
  });

  test('a batch is bounded in messages and in bytes', async () => {
    const topic = await forwarding.topic();
    const sizes = [10, 10, 10, 3_000, 10];
    await addAll(
      outbox,
      dataSource,
      sizes.map((size) => ({ topic, body: 'x'.repeat(size) })),
    );
    const batches: number[] = [];
    const sender: OutboxSender = { send: async (messages) => void batches.push(messages.length) };
    await drain(forwarding.forwarder(dataSource, { sender, batchMax: 2, batchBytesMax: 1_000 }));
    expect(batches).toEqual([2, 1, 1, 1]);
  });
});
