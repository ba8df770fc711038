import { randomBytes } from 'node:crypto';
import type { AppendResult, PreparedTransaction } from '../../src/store/half-store.js';
import type { MessageStore } from '../../src/store/message-store.js';
import { openStore } from '../../src/store/open-store.js';
import { mysqlServer, openTestStore, type TestStore } from '../store/databases.js';
import { TcpProxy, type CutPoint } from './tcp-proxy.js';

const unique = (prefix: string): string => `${prefix}-${randomBytes(6).toString('hex')}`;
const unavailable = { slug: 'unavailable' };
/** No call sends more packets than this. */
const packetsMax = 50;

describe('a connection to the store that is lost', () => {
  let direct: TestStore;
  let proxy: TcpProxy;
  let store: MessageStore;

  beforeAll(async () => {
    direct = await openTestStore(mysqlServer);
    const { hostname, port } = new URL(direct.url);
    proxy = await TcpProxy.before(hostname, Number(port) || 3306);
    store = await openStore(proxy.through(direct.url), { poolSize: 1, statementTimeoutMs: 500, connectTimeoutMs: 500 });
  });
  afterAll(async () => {
    proxy.recover();
    await store.close();
    await proxy.close();
    await direct.close();
  });

  const makeTopic = async (): Promise<string> => {
    const name = unique('topic');
    await direct.store.catalog.putTopic({ name, shards: 1, retentionMs: 1_000, bodyBytesMax: 1_000, createdAt: 1 });
    return name;
  };

  const messagesOf = (topic: string, id: string) =>
    [1, 2].map((n) => ({ id: `${id}-${n}`, idGiven: true, topic, body: { json: `{"n":${n}}` } }));

  const prepare = async (on: MessageStore, topic: string, id: string): Promise<PreparedTransaction> => {
    const item = { transactionId: id, producer: 'shop', messages: messagesOf(topic, id), firstCheckAfterMs: 1_000 };
    const [outcome] = await on.half.prepare([item], 1_000);
    if (outcome!.problem) throw outcome!.problem;
    return outcome!.value;
  };

  const append = async (on: MessageStore, item: Parameters<MessageStore['half']['append']>[0][number]) => {
    const { outcomes } = await on.half.append([item], { now: () => 2_000 }, 1_000);
    if (outcomes[0]!.problem) throw outcomes[0]!.problem;
    return outcomes[0]!.value;
  };

  const logOf = async (topic: string): Promise<string[]> =>
    (await direct.store.lanes.readLog(topic, 0, 0, 100)).flatMap((chunk) => chunk.refs.map((ref) => ref.id));

  /**
   * Does `act` again and again on fresh ground, cut at its first packet, its second, … until it comes through uncut.
   * After each cut `act` must have failed as unavailable; `check` then does it a second time and looks.
   */
  async function cutEverywhere<Ground>(
    point: CutPoint,
    make: () => Promise<Ground>,
    act: (on: MessageStore, ground: Ground) => Promise<unknown>,
    check: (ground: Ground) => Promise<void>,
  ): Promise<number> {
    for (let packets = 0; packets < packetsMax; packets += 1) {
      const ground = await make();
      await store.now();
      proxy.cutAt(packets, point);
      const error: unknown = await act(store, ground).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (proxy.disarm()) {
        expect(error).toBeUndefined();
        return packets;
      }
      expect(error).toMatchObject(unavailable);
      await proxy.settled();
      await check(ground);
    }
    throw new Error(`a call sent more than ${packetsMax} packets`);
  }

  describe.each<CutPoint>(['before-server', 'before-answer'])('cut %s', (point) => {
    it('leaves a prepare whole or absent, and a repeat gets the true answer', async () => {
      const answers: PreparedTransaction[] = [];
      const packets = await cutEverywhere(
        point,
        async () => ({ topic: await makeTopic(), id: unique('tx') }),
        (on, { topic, id }) => prepare(on, topic, id),
        async ({ topic, id }) => {
          const answer = await prepare(store, topic, id);
          expect(answer).toMatchObject({ id, state: 'prepared', messages: [{ id: `${id}-1` }, { id: `${id}-2` }] });
          expect((await direct.store.lanes.readMessages([`${id}-1`, `${id}-2`])).size).toBe(2);
          expect(await logOf(topic)).toEqual([]);
          answers.push(answer);
        },
      );
      expect(packets).toBeGreaterThan(0);
      // The last cut is at the COMMIT: it was done before its answer was lost, and not before it reached the server.
      expect(answers.at(-1)!.repeated).toBe(point === 'before-answer');
    });

    it('leaves a commit whole or absent, and a repeat gets the true answer', async () => {
      const answers: AppendResult[] = [];
      await cutEverywhere(
        point,
        async () => {
          const ground = { topic: await makeTopic(), id: unique('tx') };
          await prepare(direct.store, ground.topic, ground.id);
          return ground;
        },
        (on, { id }) => append(on, { kind: 'commit', transactionId: id, by: 'client' }),
        async ({ topic, id }) => {
          const seen = await logOf(topic);
          expect([0, 2]).toContain(seen.length);
          const answer = await append(store, { kind: 'commit', transactionId: id, by: 'client' });
          expect(answer.repeated).toBe(seen.length === 2);
          expect(answer.messages.map((each) => each.placement)).toEqual([
            { shard: 0, offset: 0 },
            { shard: 0, offset: 1 },
          ]);
          expect(await logOf(topic)).toEqual([`${id}-1`, `${id}-2`]);
          await expect(append(store, { kind: 'rollback', transactionId: id, by: 'client' })).rejects.toMatchObject({
            slug: 'transaction-already-committed',
          });
          answers.push(answer);
        },
      );
      expect(answers.at(-1)!.repeated).toBe(point === 'before-answer');
    });

    it('leaves a send whole or absent, and a repeat delivers it once', async () => {
      await cutEverywhere(
        point,
        async () => ({ topic: await makeTopic(), id: unique('sent') }),
        (on, { topic, id }) => append(on, { kind: 'send', messages: messagesOf(topic, id) }),
        async ({ topic, id }) => {
          const seen = await logOf(topic);
          expect([0, 2]).toContain(seen.length);
          const answer = await append(store, { kind: 'send', messages: messagesOf(topic, id) });
          expect(answer.repeated).toBe(seen.length === 2);
          expect(await logOf(topic)).toEqual([`${id}-1`, `${id}-2`]);
        },
      );
    });

    it('leaves a rollback whole or absent, and a repeat gets the true answer', async () => {
      await cutEverywhere(
        point,
        async () => {
          const ground = { topic: await makeTopic(), id: unique('tx') };
          await prepare(direct.store, ground.topic, ground.id);
          return ground;
        },
        (on, { id }) => append(on, { kind: 'rollback', transactionId: id, by: 'client' }),
        async ({ topic, id }) => {
          const answer = await append(store, { kind: 'rollback', transactionId: id, by: 'client' });
          expect(answer.transaction).toMatchObject({ id, state: 'rolled_back' });
          expect(await logOf(topic)).toEqual([]);
        },
      );
    });
  });

  it('answers unavailable at once while the server refuses connections, and goes on when it is back', async () => {
    const topic = await makeTopic();
    proxy.goDown();
    for (let call = 0; call < 5; call += 1)
      await expect(prepare(store, topic, 'tx-down')).rejects.toMatchObject(unavailable);
    await expect(store.now()).rejects.toMatchObject(unavailable);
    proxy.recover();
    expect(await prepare(store, topic, 'tx-down')).toMatchObject({ state: 'prepared', repeated: false });
  });

  it('answers unavailable when the server falls silent, and goes on when it is back', async () => {
    const topic = await makeTopic();
    await store.now();
    proxy.freeze();
    await expect(prepare(store, topic, 'tx-frozen')).rejects.toMatchObject(unavailable);
    // The next one has no connection left and cannot open one.
    await expect(prepare(store, topic, 'tx-frozen')).rejects.toMatchObject(unavailable);
    proxy.recover();
    expect(await prepare(store, topic, 'tx-frozen')).toMatchObject({ state: 'prepared', repeated: false });
  });

  it('goes on after every connection of a full pool was cut at once', async () => {
    const wide = await openStore(proxy.through(direct.url), { poolSize: 4, connectTimeoutMs: 500 });
    const topic = await makeTopic();
    const ids = Array.from({ length: 40 }, (_, n) => `tx-wide-${n}`);
    const first = Promise.allSettled(ids.map((id) => prepare(wide, topic, id)));
    proxy.goDown();
    for (const result of await first) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject(unavailable);
    }
    proxy.recover();
    const states = await Promise.all(ids.map(async (id) => (await prepare(wide, topic, id)).state));
    expect(new Set(states)).toEqual(new Set(['prepared']));
    await wide.close();
  });
});
