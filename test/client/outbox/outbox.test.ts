import type { DataSource } from 'typeorm';
import { InvalidMessage, NotInTransaction, NotSerializable, type Message } from '../../../src/client/index.js';
import { Outbox } from '../../../src/client/local/outbox/outbox.js';
import { applicationServers, type ApplicationDatabase } from '../local/application-database.js';
import { insertOrder } from '../local/shop.js';

describe.each(applicationServers)('outbox on $name', ({ provide }) => {
  let database: ApplicationDatabase;
  let dataSource: DataSource;
  let outbox: Outbox;

  beforeAll(async () => {
    database = await (await provide()).prepare();
    dataSource = await database.open();
    outbox = new Outbox(dataSource, { bodyBytesMax: 1_000 });
  });
  beforeEach(async () => {
    await dataSource.query('DELETE FROM halfbox_outbox');
    await dataSource.query('DELETE FROM shop_order');
  });
  afterAll(() => database.close());

  const ids = async (): Promise<string[]> => {
    const rows = (await dataSource.query('SELECT id FROM halfbox_outbox ORDER BY seq')) as { id: string }[];
    return rows.map(({ id }) => id);
  };

  test('a message shares the fate of the transaction that writes it', async () => {
    const places = await dataSource.transaction(async (manager) => {
      await insertOrder('a')(manager);
      const place = await outbox.add(manager, { topic: 'orders', body: 1 });
      return [place, ...(await outbox.add(manager, [{ id: 'mine', topic: 'mails', body: 2 }]))];
    });
    expect(places).toEqual([
      { id: expect.stringMatching(/^[0-9a-f-]{36}$/), topic: 'orders' },
      { id: 'mine', topic: 'mails' },
    ]);
    const undone = dataSource.transaction(async (manager) => {
      await outbox.add(manager, { topic: 'orders', body: 3 });
      throw new Error('no');
    });
    await expect(undone).rejects.toThrow('no');
    expect(await ids()).toEqual([places[0]!.id, 'mine']);
    expect(await outbox.counts()).toMatchObject({ waiting: 2, failed: 0 });
  });

  test('many messages keep their order', async () => {
    const messages = Array.from({ length: 1_000 }, (_, n) => ({ id: `m${n}`, topic: 'orders', body: 'x'.repeat(900) }));
    await dataSource.transaction((manager) => outbox.add(manager, messages));
    expect(await ids()).toEqual(messages.map(({ id }) => id));
  });

  test('a manager without a transaction is refused, unless the option allows it', async () => {
    const message = { topic: 'orders', body: 1 };
    await expect(outbox.add(dataSource.manager, message)).rejects.toThrow(NotInTransaction);
    expect(await ids()).toEqual([]);
    await new Outbox(dataSource, { requireTransaction: false }).add(dataSource.manager, message);
    expect(await ids()).toHaveLength(1);
  });

  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  test.each<[string, unknown, object]>([
    ['no topic', { body: 1 }, { field: 'topic', code: 'invalid-message' }],
    ['a bad topic', { topic: 'a b', body: 1 }, { field: 'topic' }],
    ['a bad id', { topic: 't', id: 'x y', body: 1 }, { field: 'id' }],
    ['a bad tag', { topic: 't', tag: 'a|b', body: 1 }, { field: 'tag' }],
    ['a long key', { topic: 't', key: 'x'.repeat(129), body: 1 }, { field: 'key' }],
    ['half a character', { topic: 't', orderingKey: '\ud800', body: 1 }, { field: 'orderingKey' }],
    ['a header that is no text', { topic: 't', headers: { a: 1 }, body: 1 }, { field: 'headers' }],
    ['too many headers', { topic: 't', headers: { a: 'x'.repeat(20_000) }, body: 1 }, { field: 'headers' }],
    ['two times', { topic: 't', delayMs: 1, deliverAt: '2030-01-01T00:00:00Z', body: 1 }, { field: 'deliverAt' }],
    ['a negative delay', { topic: 't', delayMs: -1, body: 1 }, { field: 'delayMs' }],
    ['no body', { topic: 't' }, { field: 'body' }],
    ['two bodies', { topic: 't', body: 1, bodyBase64: '' }, { field: 'body' }],
    ['bad base64', { topic: 't', bodyBase64: '?' }, { field: 'bodyBase64' }],
    ['a large body', { topic: 't', body: 'x'.repeat(1_000) }, { field: 'body' }],
    ['large bytes', { topic: 't', bodyBase64: Buffer.alloc(1_001).toString('base64') }, { field: 'body' }],
    ['a cycle', { topic: 't', body: cycle }, { code: 'not-serializable' }],
    ['a bigint', { topic: 't', body: 1n }, { code: 'not-serializable' }],
    ['a function', { topic: 't', body: () => 1 }, { code: 'not-serializable' }],
  ])('%s is refused at once, with all that came along', async (_what, message, error) => {
    await dataSource.transaction(async (manager) => {
      const refused = await outbox
        .add(manager, [{ topic: 'good', body: 1 }, message as never])
        .catch((e: unknown) => e);
      expect(refused).toMatchObject(error);
      expect([InvalidMessage, NotSerializable]).toContain((refused as Error).constructor);
    });
    expect(await ids()).toEqual([]);
  });

  test('more than 1,000 messages at once are refused', async () => {
    const messages: Message[] = Array.from({ length: 1_001 }, () => ({ topic: 't', body: 1 }));
    const adding = dataSource.transaction((manager) => outbox.add(manager, messages as never));
    await expect(adding).rejects.toThrow(InvalidMessage);
  });

  test('a commit is told once, a rollback never', async () => {
    let heard = 0;
    const stop = outbox.onCommitted(() => (heard += 1));
    await dataSource.transaction(async (manager) => {
      await outbox.add(manager, { topic: 't', body: 1 });
      await manager.transaction((nested) => outbox.add(nested, { topic: 't', body: 2 }));
      expect(heard).toBe(0);
    });
    expect(heard).toBe(1);
    await dataSource
      .transaction(async (manager) => {
        await outbox.add(manager, { topic: 't', body: 1 });
        throw new Error('no');
      })
      .catch(() => undefined);
    expect(heard).toBe(1);
    stop();
    await dataSource.transaction((manager) => outbox.add(manager, { topic: 't', body: 1 }));
    expect(heard).toBe(1);
  });
});
