import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { mysqlServer } from '../store/databases.js';
import { BrokerProcess, eventually } from './broker-process.js';

interface Told {
  asked?: string;
  connected?: string;
  disconnected?: number;
}

/** An instance of a producer in a process of its own. */
class ClientProcess {
  readonly told: Told[] = [];
  readonly #child: ChildProcess;

  constructor(
    readonly instance: string,
    options: { endpoints: string[]; reply: string },
  ) {
    const argument = JSON.stringify({ producer: 'shop', instance, ...options });
    this.#child = fork(join(__dirname, 'fixtures/check-client.mjs'), [argument]);
    this.#child.on('message', (told: Told) => this.told.push(told));
  }

  get asked(): string[] {
    return this.told.flatMap(({ asked }) => asked ?? []);
  }

  /** Resolves with the broker of its newest connection, once it has been connected so often. */
  connected(times = 1): Promise<string> {
    return eventually(`connection ${times}`, async () => {
      const urls = this.told.flatMap(({ connected }) => connected ?? []);
      return urls.length >= times ? urls.at(-1) : undefined;
    });
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}

/** Producers that are asked over streams, by real brokers on one MariaDB, some of which are killed. */
describe('streams and broker processes', () => {
  jest.setTimeout(120_000);
  let place: { url: string; remove(): Promise<void> };
  const brokers: BrokerProcess[] = [];
  const clients: ClientProcess[] = [];

  const startBroker = async (environment: Record<string, string> = {}) => {
    const broker = await BrokerProcess.start({
      HALFBOX_STORE_URL: place.url,
      HALFBOX_CHECK_TIMEOUT_MS: '2000',
      ...environment,
    });
    brokers.push(broker);
    return broker;
  };
  const startClient = (instance: string, endpoints: string[], reply: string) => {
    const client = new ClientProcess(instance, { endpoints, reply });
    clients.push(client);
    return client;
  };
  const prepare = async (broker: BrokerProcess, fields: object = {}): Promise<string> => {
    const messages = [{ topic: 'orders', body: { text: 'é' } }];
    const answer = await broker.post('/v1/transactions', { producer: 'shop', messages, ...fields });
    expect(answer.status).toBe(201);
    return (answer.body as { id: string }).id;
  };
  const transaction = async (broker: BrokerProcess, id: string) =>
    (await broker.get(`/v1/transactions/${id}`)).body as { state: string; checks: { outcome: string }[] };
  const check = async (broker: BrokerProcess, id: string) =>
    (await broker.post(`/v1/transactions/${id}/check`)).body as { state: string; checks: { outcome: string }[] };
  const becomes = (broker: BrokerProcess, id: string, state: string) =>
    eventually(`${state} transaction`, async () =>
      (await transaction(broker, id)).state === state ? true : undefined,
    );
  const reachable = (broker: BrokerProcess) =>
    eventually('reachable producer', async () => {
      const { body } = await broker.get('/v1/producers/shop');
      return (body as { reachable?: boolean }).reachable === true ? true : undefined;
    });

  beforeEach(async () => {
    place = await mysqlServer.provide();
  });

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.kill()));
    await Promise.all(brokers.splice(0).map((broker) => broker.kill()));
    await place.remove();
  });

  it('a node that holds the claim asks over the stream of another node', async () => {
    const [first, second] = [await startBroker(), await startBroker()];
    const client = startClient('i1', [first.url], 'commit');
    expect(await client.connected()).toBe(first.url);
    await Promise.all([reachable(first), reachable(second)]);
    const onDemand = await prepare(second, { instance: 'i1' });
    expect((await check(second, onDemand)).state).toBe('committed');
    // Whichever node claims them, and whether or not the instance that prepared is known.
    const ids = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        prepare([first, second][index % 2]!, {
          firstCheckAfterMs: 100,
          ...(index % 3 > 0 && { instance: index % 3 > 1 ? 'i1' : 'gone' }),
        }),
      ),
    );
    for (const id of ids) await becomes(first, id, 'committed');
    expect(client.asked.sort()).toEqual([onDemand, ...ids].sort());
  });

  it('the instance that prepared is asked first, wherever its stream is; killed, another one is', async () => {
    const [first, second] = [await startBroker(), await startBroker()];
    const preparing = startClient('preparing', [second.url], 'unknown');
    const other = startClient('other', [first.url], 'commit');
    await Promise.all([preparing.connected(), other.connected()]);
    await Promise.all([reachable(first), reachable(second)]);
    const id = await prepare(first, { instance: 'preparing' });
    await eventually('answer of the instance that prepared', async () => {
      const { checks } = await check(first, id);
      return checks.at(-1)?.outcome === 'unknown' ? true : undefined;
    });
    expect(other.asked).toEqual([]);
    await preparing.kill();
    expect((await check(first, id)).state).toBe('committed');
    expect(other.asked).toEqual([id]);
  });

  it('after the kill of the broker that held the stream, the other one asks', async () => {
    const [first, second] = [await startBroker(), await startBroker()];
    const client = startClient('i1', [first.url, second.url], 'commit');
    const url = await client.connected();
    const [held, left] = url === first.url ? [first, second] : [second, first];
    await Promise.all([reachable(first), reachable(second)]);
    const id = await prepare(held, { instance: 'i1', firstCheckAfterMs: 3_000 });
    await held.kill();
    expect(await client.connected(2)).toBe(left.url);
    await becomes(left, id, 'committed');
    expect(client.told).toContainEqual({ disconnected: 1006 });
    // The rows of the killed node do not keep the other one from asking.
    expect((await check(left, await prepare(left, { instance: 'i1' }))).state).toBe('committed');
  });

  it('a stopping broker sends its streams to the other one at once', async () => {
    const [first, second] = [await startBroker(), await startBroker()];
    const client = startClient('i1', [first.url, second.url], 'commit');
    const url = await client.connected();
    const [holder, left] = url === first.url ? [first, second] : [second, first];
    await reachable(left);
    expect(await holder.stop()).toBe(0);
    expect(await client.connected(2)).toBe(left.url);
    expect(client.told).toContainEqual({ disconnected: 1001 });
    await reachable(left);
    expect((await check(left, await prepare(left, { instance: 'i1' }))).state).toBe('committed');
  });

  it('a client comes back after the restart of its only broker, and what was due meanwhile is asked', async () => {
    const broker = await startBroker();
    const port = new URL(broker.url).port;
    const client = startClient('i1', [broker.url], 'commit');
    await client.connected();
    const id = await prepare(broker, { instance: 'i1', firstCheckAfterMs: 1_000 });
    await broker.kill();
    const again = await startBroker({ HALFBOX_PORT: port });
    await client.connected(2);
    await becomes(again, id, 'committed');
  });

  it('a client whose process hangs is asked again when it has gone, and nobody else before', async () => {
    const broker = await startBroker({ HALFBOX_CHECK_TIMEOUT_MS: '500' });
    const hangs = startClient('hangs', [broker.url], 'nothing');
    const other = startClient('other', [broker.url], 'rollback');
    await Promise.all([hangs.connected(), other.connected()]);
    const id = await prepare(broker, { instance: 'hangs' });
    expect((await check(broker, id)).checks.at(-1)?.outcome).toBe('timeout');
    expect(other.asked).toEqual([]);
    await hangs.kill();
    await eventually('answer of the other instance', async () => {
      return (await check(broker, id)).state === 'rolled_back' ? true : undefined;
    });
  });
});
