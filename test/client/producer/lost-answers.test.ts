import { connect, type Connection, type Producer, type SendSettingOptions } from '../../../src/client/index.js';
import { RunningBroker } from '../../api/running-broker.js';
import { TcpProxy } from '../../faults/tcp-proxy.js';

/** A real broker behind a proxy that cuts connections: before the call arrives, or before its answer comes back. */
describe('Producer whose answers are lost', () => {
  let broker: RunningBroker;
  let proxy: TcpProxy;
  const open: Connection[] = [];

  beforeAll(async () => {
    broker = await RunningBroker.start();
    const { hostname, port } = new URL(broker.url);
    proxy = await TcpProxy.before(hostname, Number(port));
  });

  afterEach(() => Promise.all(open.splice(0).map((connection) => connection.close())));

  afterAll(async () => {
    await proxy.close();
    await broker.stop();
  });

  /** A producer whose connection through the proxy is open already. */
  const producerOf = async (settings: SendSettingOptions = {}): Promise<Producer> => {
    const connection = connect({ endpoints: [proxy.through(broker.url)], refreshNodes: false, connectionsMax: 1 });
    open.push(connection);
    const producer = connection.producer('shop', settings);
    await producer.send({ topic: 'opening', body: 1 });
    await connection.client.nodes();
    return producer;
  };
  const messagesOf = async (topic: string): Promise<{ id: string; body: unknown }[]> => {
    const { body } = await broker.get(`/v1/messages?topic=${topic}&key=k&limit=500`);
    return body.items;
  };

  it.each(['before-answer', 'before-server'] as const)('stores once what was cut %s, and answers', async (point) => {
    const topic = `sent-${point}`;
    const producer = await producerOf();
    proxy.cutAt(0, point);
    const place = await producer.send({ topic, key: 'k', body: point });
    expect(proxy.disarm()).toBe(false);
    expect(place).toMatchObject({ topic, offset: 0 });
    expect(await messagesOf(topic)).toEqual([expect.objectContaining({ id: place.id, body: point })]);
    expect(producer.metrics().sends.retries).toBe(1);
  });

  it('says that messages may be stored when an answer is lost for good, and repeats them safely', async () => {
    const producer = await producerOf({ retries: 0 });
    proxy.cutAt(0, 'before-answer');
    const failed = await producer
      .send({ topic: 'given-up', key: 'k', body: 1 })
      .catch((error: { ids: string[] }) => error);
    expect(failed).toMatchObject({ code: 'send-failed', mayBeStored: true, attempts: 1 });
    const [id] = (failed as { ids: string[] }).ids;
    expect(await producer.send({ topic: 'given-up', key: 'k', id, body: 1 })).toMatchObject({ id, offset: 0 });
    expect(await messagesOf('given-up')).toHaveLength(1);
  });

  it('says that nothing was stored when nobody was reached', async () => {
    const nowhere = connect({ endpoints: ['http://127.0.0.1:9'] });
    open.push(nowhere);
    const sent = nowhere.producer('shop').send({ topic: 'nowhere', body: 1 });
    await expect(sent).rejects.toMatchObject({ code: 'send-failed', mayBeStored: false, attempts: 3 });
  });

  it.each(['prepare', 'commit', 'rollback'] as const)(
    'gets the true result of a %s whose answer is lost',
    async (verb) => {
      const producer = await producerOf();
      const topic = `of-${verb}`;
      const id = `transaction-${verb}`;
      const prepare = () => producer.prepare({ topic, body: verb }, { transactionId: id });
      if (verb === 'prepare') proxy.cutAt(0, 'before-answer');
      const prepared = await prepare();
      expect(prepared).toMatchObject({ id, state: 'prepared', messages: [{ topic }] });
      if (verb === 'commit') {
        proxy.cutAt(0, 'before-answer');
        const { messages } = prepared;
        expect(await producer.commit(id)).toMatchObject({
          id,
          state: 'committed',
          messages: [{ ...messages[0], offset: 0 }],
        });
        await expect(producer.rollback(id)).rejects.toMatchObject({ code: 'transaction-already-committed' });
      }
      if (verb === 'rollback') {
        proxy.cutAt(0, 'before-answer');
        expect(await producer.rollback(id)).toMatchObject({ id, state: 'rolled_back' });
      }
      expect(proxy.disarm()).toBe(false);
      expect(producer.metrics().transactions.retries).toBe(1);
    },
  );

  it('keeps the order of an ordering key, each message once, while answers are lost again and again', async () => {
    const producer = await producerOf({ batchItemsMax: 20, retries: 10 });
    const sends = Array.from({ length: 400 }, (_, n) =>
      producer.send({ topic: 'in-order', key: 'k', orderingKey: 'k', body: n }),
    );
    for (const [index, sent] of sends.entries()) {
      if (index % 60 === 0) proxy.cutAt(1, index % 120 === 0 ? 'before-answer' : 'before-server');
      await sent;
    }
    proxy.disarm();
    const places = await Promise.all(sends);
    expect(new Set(places.map(({ shard }) => shard)).size).toBe(1);
    expect(places.map(({ offset }) => offset)).toEqual(Array.from({ length: 400 }, (_, n) => n));
    expect(await messagesOf('in-order')).toHaveLength(400);
    expect(producer.metrics().sends.retries).toBeGreaterThanOrEqual(20);
  });
});
