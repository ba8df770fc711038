import { DataSource } from 'typeorm';
import {
  connect,
  Outbox,
  type Connection,
  type EndpointsCaller,
  type OpenedProducer,
  type OpenOptions,
  type Question,
} from '../../../src/client/index.js';
import { sqliteServer } from '../../store/databases.js';
import { BrokerProcess, eventually } from '../../system/broker-process.js';
import { applicationServers, type ApplicationDatabase } from '../local/application-database.js';
import { deferred, insertOrder, message } from '../local/shop.js';

const apiKey = 'the-secret-of-the-shop';
const adminKey = 'the-secret-of-an-operator';

describe('Connection.open', () => {
  jest.setTimeout(90_000);
  let place: { url: string; remove(): Promise<void> };
  let broker: BrokerProcess;
  let database: ApplicationDatabase;
  let empty: ApplicationDatabase;
  let dataSource: DataSource;
  let halfbox: Connection<EndpointsCaller>;

  const call = async (path: string): Promise<Record<string, unknown> & { items?: unknown[] }> => {
    const response = await fetch(broker.url + path, { headers: { authorization: `Bearer ${adminKey}` } });
    return (await response.json()) as Record<string, unknown>;
  };
  const transaction = (id: string) => call(`/v1/transactions/${id}`);
  const resolved = (id: string) =>
    eventually(`resolution of ${id}`, async () => {
      const found = await transaction(id);
      return found['state'] === 'prepared' ? undefined : found;
    });
  const orders = async (): Promise<string[]> => {
    const rows = (await dataSource.query('SELECT id FROM shop_order ORDER BY id')) as { id: string }[];
    return rows.map(({ id }) => id);
  };
  const open = (options: Partial<OpenOptions> = {}): Promise<OpenedProducer> =>
    halfbox.open({ producer: 'shop', dataSource, ...options });
  const asked = { firstCheckAfterMs: 100 };

  beforeAll(async () => {
    place = await sqliteServer.provide();
    broker = await BrokerProcess.start({
      HALFBOX_STORE_URL: place.url,
      HALFBOX_API_KEYS: `shop:${apiKey}:produce,operator:${adminKey}:admin`,
      HALFBOX_CHECK_INTERVAL_MS: '200',
    });
    const server = applicationServers.find(({ dialect }) => dialect === 'mysql')!;
    database = await (await server.provide()).prepare();
    empty = await server.provide();
    dataSource = await database.open();
  });
  beforeEach(async () => {
    await dataSource.query('DELETE FROM shop_order');
    halfbox = connect({ endpoints: [broker.url], apiKey });
  });
  afterEach(() => halfbox.close());
  afterAll(async () => {
    await broker?.stop();
    await Promise.all([database?.close(), empty?.close(), place?.remove()]);
  });

  it('commits messages with their local transaction, and hides them when it fails', async () => {
    const { producer } = await open();
    const { transactionId, result } = await producer.sendInTransaction(message, insertOrder('tea'));
    expect(result).toBe('tea');
    expect(await transaction(transactionId)).toMatchObject({ state: 'committed', resolvedBy: 'client' });

    const failing = producer.sendInTransaction(
      message,
      async (manager) => {
        await insertOrder('gold')(manager);
        throw new Error('no money');
      },
      { transactionId: 'failing' },
    );
    await expect(failing).rejects.toThrow('no money');
    expect(await resolved('failing')).toMatchObject({ state: 'rolled_back' });
    expect(await orders()).toEqual(['tea']);
  });

  it('is asked over its stream about what it left open, and answers from the fence', async () => {
    const { producer } = await open();
    const { id } = await producer.prepare(message, asked);
    expect(await resolved(id)).toMatchObject({ state: 'rolled_back', resolvedBy: 'check' });
  });

  it('lets a function answer in place of a database', async () => {
    const questions: Question[] = [];
    const opened = await open({
      dataSource: undefined,
      checkBack: (question) => {
        questions.push(question);
        if (questions.length === 1) throw new Error('not now');
        return 'commit';
      },
    });
    const { id } = await opened.producer.prepare(message, asked);
    expect(await resolved(id)).toMatchObject({ state: 'committed', resolvedBy: 'check' });
    expect(questions[1]).toMatchObject({ transactionId: id, producer: 'shop', instance: opened.instance });
    expect(opened.checkStream.connectedTo).toBe(broker.url);
    expect(halfbox.caller.endpoints).toEqual([broker.url]);
  });

  it('sends what its outbox holds, and does once what its inbox has seen', async () => {
    const { outbox, inbox } = await open({ outbox: true, inbox: { lockWaitMs: 2_000 } });
    const { id } = await dataSource.transaction((manager) =>
      outbox.add(manager, { topic: 'outboxed', key: 'k', body: 1 }),
    );
    const sent = await eventually('message of the outbox', async () => {
      const { items = [] } = await call('/v1/messages?topic=outboxed&key=k');
      return items.length > 0 ? items : undefined;
    });
    expect(sent).toEqual([expect.objectContaining({ id })]);
    expect(await inbox.once({ id, topic: 'outboxed' }, 'billing', insertOrder('once'))).toMatchObject({ done: true });
    expect(await inbox.once({ id, topic: 'outboxed' }, 'billing', insertOrder('twice'))).toEqual({ done: false });
    expect(await orders()).toEqual(['once']);
  });

  it('is closed with its connection: finishes what is in hand, is asked until then, and leaves the database open', async () => {
    const { producer, checkStream, outbox } = await open({ outbox: true });
    await eventually('stream', async () => checkStream.connectedTo);
    const working = deferred();
    const goOn = deferred();
    const placed = producer.sendInTransaction(message, async (manager) => {
      working.resolve();
      await goOn.promise;
      return insertOrder('chair')(manager);
    });
    await working.promise;
    await dataSource.transaction((manager) => outbox.add(manager, { topic: 'last', key: 'k', body: 1 }));
    const closing = halfbox.close();
    expect(checkStream.connectedTo).toBe(broker.url);
    goOn.resolve();
    const { transactionId, committed } = await placed;
    await closing;
    expect(committed).toMatchObject({ state: 'committed' });
    expect(await transaction(transactionId)).toMatchObject({ resolvedBy: 'client' });
    expect((await call('/v1/messages?topic=last&key=k')).items).toHaveLength(1);
    expect(checkStream.connectedTo).toBeUndefined();
    await expect(producer.send(message)).rejects.toMatchObject({ code: 'producer-closed' });
    expect(await orders()).toEqual(['chair']);
  });

  it('needs the tables of what it is asked for', async () => {
    const bare = await empty.open();
    const opening = open({ dataSource: bare, outbox: true, inbox: true });
    await expect(opening).rejects.toMatchObject({
      code: 'tables-missing',
      tables: ['halfbox_fence', 'halfbox_outbox', 'halfbox_lease', 'halfbox_inbox'],
    });
  });

  it('does not open when its connection is closed meanwhile, or before', async () => {
    const opening = open({ outbox: true });
    await Promise.all([expect(opening).rejects.toMatchObject({ code: 'producer-closed' }), halfbox.close()]);
    await expect(open()).rejects.toMatchObject({ code: 'producer-closed' });
  });

  it.each<[string, () => Partial<OpenOptions>, string]>([
    ['nothing that answers', () => ({ dataSource: undefined }), 'producer shop: give the dataSource or checkBack'],
    ['two that answer', () => ({ checkBack: () => 'commit' }), 'are answered from its dataSource already'],
    ['a database that is not open', () => ({ dataSource: new DataSource(database.options()) }), 'initialized first'],
    [
      'an outbox without a database',
      () => ({ dataSource: undefined, checkBack: () => 'commit', outbox: true }),
      'producer shop: an outbox needs a dataSource',
    ],
  ])('refuses %s', async (_what, options, words) => {
    const refused = (await open(options()).catch((error: unknown) => error)) as Error;
    expect(refused).toBeInstanceOf(TypeError);
    expect(refused.message).toContain(words);
  });

  it('refuses options out of their bounds', async () => {
    await expect(open({ localTransactionMsMax: 1 })).rejects.toThrow(RangeError);
    await expect(open({ outbox: { batchMax: 0 } })).rejects.toThrow(RangeError);
  });

  it('has one outbox in a database at a time, and says which option is not given', async () => {
    const first = await open({ outbox: { forward: false } });
    await expect(open({ producer: 'other', outbox: true })).rejects.toThrow(
      'producers shop and other cannot have outboxes in one database',
    );
    expect(() => first.inbox).toThrow('producer shop was opened without the option inbox');
    await first.close();
    const second = await open({ producer: 'other', outbox: true });
    expect(second.outbox).toBeInstanceOf(Outbox);
    const third = await open();
    expect(() => third.outbox).toThrow('producer shop was opened without the option outbox');
  });
});
