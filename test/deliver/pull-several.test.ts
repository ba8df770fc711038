import { setTimeout as delay } from 'node:timers/promises';
import { Pull } from '../../src/deliver/pull.js';
import type { PulledSubscription } from '../../src/deliver/pulled-subscription.js';
import type { ReceivedOfSeveral } from '../../src/deliver/pull-several.js';
import type { Relay } from '../../src/relay/relay.js';
import { ManualClock, Scene, startNode, type World } from '../relay/relay-fixture.js';
import { until } from '../queue/until.js';
import { openTestStore, sqliteServer } from '../store/databases.js';

describe('pull from several subscriptions', () => {
  let world: World;
  let node: Relay;
  let pull: Pull;

  beforeAll(async () => {
    world = { clock: new ManualClock(), opened: await openTestStore(sqliteServer) };
    node = await startNode(world, 'node-1');
    pull = new Pull((topic, group) => node.owned(topic, group), world.clock);
  });

  afterAll(async () => {
    await node.stop();
    await world.opened.close();
  });

  async function scene(messages: string[] = [], config: Parameters<typeof Scene.make>[1] = {}): Promise<Scene> {
    const made = await Scene.make(world, { retry: { fixedMs: 0 }, ...config });
    await add(made, messages);
    return made;
  }

  async function add(made: Scene, messages: string[]): Promise<void> {
    if (messages.length > 0) await made.append(messages);
    await made.on(node);
  }

  const scenes = (count: number, messages: string[] = []): Promise<Scene[]> =>
    Promise.all(Array.from({ length: count }, () => scene(messages)));

  const namesOf = (of: Scene[]) => of.map(({ topic, group }) => ({ topic, group }));

  const receive = (
    of: Scene[],
    { max = 10, waitMs = 0, visibilityMs = 30_000, by = pull },
    signal?: AbortSignal,
  ): Promise<ReceivedOfSeveral> => by.several.receive(namesOf(of), { max, visibilityMs, waitMs }, signal);

  /** `index of the subscription:message`, sorted. */
  const told = (of: Scene[], { deliveries }: ReceivedOfSeveral): string[] =>
    deliveries
      .map(({ topic, delivery }) => {
        const index = of.findIndex((made) => made.topic === topic);
        return `${index}:${of[index]!.name(delivery)}`;
      })
      .sort();

  async function ack({ deliveries }: ReceivedOfSeveral): Promise<void> {
    for (const { topic, group, receipt } of deliveries) {
      expect(await pull.ack(topic, group, [receipt])).toEqual([{ value: true }]);
    }
  }

  test('gives what is ready in all of them, with receipts that their own calls take', async () => {
    const of = [await scene(['1', '2']), await scene(), await scene(['3'])];
    const received = await receive(of, {});
    expect(told(of, received)).toEqual(['0:1', '0:2', '2:3']);
    expect(received.notServed).toEqual([]);
    await ack(received);
    expect(told(of, await receive(of, {}))).toEqual([]);
  });

  test('never gives more than `max`, and each its share', async () => {
    const of = await scenes(4, ['1', '2', '3', '4']);
    const first = await receive(of, { max: 8 });
    expect(told(of, first)).toEqual(['0:1', '0:2', '1:1', '1:2', '2:1', '2:2', '3:1', '3:2']);
    expect((await receive(of, { max: 3 })).deliveries).toHaveLength(3);
    expect((await receive(of, { max: 1 })).deliveries).toHaveLength(1);
    expect((await receive(of, { max: 10 })).deliveries).toHaveLength(4);
    expect((await receive(of, { max: 10 })).deliveries).toHaveLength(0);
  });

  test('none is kept waiting by the others, though a call gives one message at a time', async () => {
    const of = await scenes(3, ['1', '2', '3', '4', '5']);
    const first: string[] = [];
    for (let call = 0; call < 3; call += 1) first.push(...told(of, await receive(of, { max: 1 })));
    expect(first.sort()).toEqual(['0:1', '1:1', '2:1']);
  });

  test('names those that it does not serve, serves the others, and does not wait', async () => {
    const [made, queued] = [await scene(['1']), await scene(['1'], { mode: 'queue' })];
    const nobody = { topic: 'no-such-topic', group: 'billing' };
    const request = { max: 10, visibilityMs: 30_000, waitMs: 20_000 };
    const all = [nobody, ...namesOf([made, queued])];
    const received = await pull.several.receive(all, request);
    expect(told([made], received)).toEqual(['0:1']);
    expect(received.notServed).toEqual(expect.arrayContaining([nobody, ...namesOf([queued])]));
    expect(received.notServed).toHaveLength(2);
    expect((await pull.several.receive(all, request)).deliveries).toEqual([]);
  });

  test('a subscription that is named twice is asked once', async () => {
    const made = await scene(['1', '2', '3']);
    expect(told([made], await receive([made, made], { max: 2 }))).toEqual(['0:1', '0:2']);
  });

  test('a call waits until one of them has something; one message wakes one call', async () => {
    const of = await scenes(3);
    const heard: string[] = [];
    const waits = [0, 1].map(() => receive(of, { waitMs: 20_000 }).then((one) => heard.push(...told(of, one))));
    await add(of[1]!, ['1']);
    await Promise.race(waits);
    expect(heard).toEqual(['1:1']);
    await add(of[2]!, ['2']);
    await Promise.all(waits);
    expect(heard).toEqual(['1:1', '2:2']);
  });

  test('what a call that was woken leaves is for the next one', async () => {
    const of = await scenes(2);
    const waits = [0, 1, 2].map(() => receive(of, { max: 1, waitMs: 20_000 }));
    await of[0]!.append(['1', '2']);
    await of[1]!.append(['3']);
    await Promise.all(of.map((made) => made.on(node)));
    const received = await Promise.all(waits);
    expect(received.flatMap((one) => told(of, one)).sort()).toEqual(['0:1', '0:2', '1:3']);
  });

  test('hears of what becomes ready while it is asked', async () => {
    const [made] = await scenes(1);
    // The message is committed while the store is being asked, after it was found that there is none.
    const slow = changed((owned) => async (max, claimMs) => {
      const taken = await owned.take(max, claimMs);
      if (taken.length === 0) await add(made!, ['1']);
      return taken;
    });
    expect(told([made!], await receive([made!], { waitMs: 20_000, by: slow }))).toEqual(['0:1']);
  });

  /** Pull from subscriptions that are taken from in another way. */
  function changed(
    take: (owned: PulledSubscription) => PulledSubscription['take'],
    more: Partial<PulledSubscription> = {},
    receiveBytesMax?: number,
  ): Pull {
    const known = new Map<PulledSubscription, PulledSubscription>();
    const changedOne = (owned: PulledSubscription): PulledSubscription =>
      new Proxy(owned, {
        get(target, name) {
          if (name === 'take') return take(target);
          const value: unknown = Reflect.get(name in more ? more : target, name, target);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    return new Pull(
      (topic, group) => {
        const owned = node.owned(topic, group);
        if (owned === null) return null;
        if (!known.has(owned)) known.set(owned, changedOne(owned));
        return known.get(owned)!;
      },
      world.clock,
      receiveBytesMax,
    );
  }

  /** Pull where nothing can be taken from that topic. */
  const broken = (topic: string): Pull =>
    changed((owned) =>
      owned.topic === topic ? () => Promise.reject(new Error('its row cannot be read')) : owned.take.bind(owned),
    );

  test('one whose store fails is told as not served; the messages of the others are handed out', async () => {
    const of = await scenes(2, ['1']);
    const failing = broken(of[0]!.topic);
    const received = await receive(of, { waitMs: 20_000, by: failing });
    expect(told(of, received)).toEqual(['1:1']);
    expect(received.notServed).toEqual([namesOf(of)[0]]);
    await expect(receive(of.slice(0, 1), { by: failing })).rejects.toThrow('its row cannot be read');
  });

  test('an answer is bounded in bytes: what is beyond comes later, its attempt uncounted', async () => {
    const small = new Pull((topic, group) => node.owned(topic, group), world.clock, 2);
    const of = await scenes(3, ['1', '2']);
    const all: string[] = [];
    for (let answers = 0; all.length < 6 && answers < 30; answers += 1) {
      const received = await receive(of, { by: small });
      const bytes = received.deliveries.map(({ delivery }) => delivery.message.body.json!.length);
      expect(bytes.length === 1 || bytes.reduce((sum, one) => sum + one, 0) <= 2).toBe(true);
      expect(received.deliveries.map(({ delivery }) => delivery.attempt)).toEqual(bytes.map(() => 1));
      all.push(...told(of, received));
      for (const { topic, group, receipt } of received.deliveries) await small.ack(topic, group, [receipt]);
    }
    expect(all.sort()).toEqual(['0:1', '0:2', '1:1', '1:2', '2:1', '2:2']);
  });

  test('a caller that has gone leaves nothing behind', async () => {
    const of = await scenes(2);
    const gone = new AbortController();
    const wait = receive(of, { waitMs: 20_000 }, gone.signal);
    gone.abort();
    expect((await wait).deliveries).toEqual([]);
    await add(of[0]!, ['1']);
    const aborted = new AbortController();
    aborted.abort();
    expect((await receive(of, {}, aborted.signal)).deliveries).toEqual([]);
    // What it never got does not count as an attempt.
    expect(await receive(of, {})).toMatchObject({ deliveries: [{ delivery: { attempt: 1 } }] });
  });

  test('a caller that goes as it is woken leaves the message to the next one', async () => {
    const of = await scenes(2);
    const gone = new AbortController();
    const first = receive(of, { waitMs: 20_000 }, gone.signal);
    const second = receive(of, { waitMs: 20_000 });
    const relay = node.owned(of[0]!.topic, of[0]!.group)!;
    relay.onReady(() => gone.abort());
    await add(of[0]!, ['1']);
    expect((await first).deliveries).toEqual([]);
    expect(await second).toMatchObject({ deliveries: [{ delivery: { attempt: 1 } }] });
  });

  test('a call that waited in vain answers with none', async () => {
    expect(await receive(await scenes(2), { waitMs: 30 })).toEqual({ deliveries: [], notServed: [] });
  });

  test('one moves away while a call waits: the call ends and names it', async () => {
    const of = await scenes(2);
    const wait = receive(of, { waitMs: 20_000 });
    await of[1]!.seize();
    await node.runOnce(world.clock.now());
    expect(await wait).toEqual({ deliveries: [], notServed: [namesOf(of)[1]] });
  });

  test('a paused one gives nothing, and what it has when it goes on', async () => {
    const of = await scenes(2, ['1']);
    const { subscriptions } = world.opened.store;
    await subscriptions.setPaused(of[0]!.topic, of[0]!.group, true);
    await node.subscriptionChanged(of[0]!.topic, of[0]!.group);
    expect(told(of, await receive(of, {}))).toEqual(['1:1']);
    const wait = receive(of, { waitMs: 20_000 });
    await subscriptions.setPaused(of[0]!.topic, of[0]!.group, false);
    await node.subscriptionChanged(of[0]!.topic, of[0]!.group);
    expect(told(of, await wait)).toEqual(['0:1']);
  });

  test('those that are asked count as used', async () => {
    const of = await scenes(2);
    await receive(of, {});
    const now = world.clock.now();
    for (const { topic, group } of of) expect(node.owned(topic, group)!.usedSince(now)).toBe(true);
  });

  test('one that never tells that it has something is asked all the same, every five seconds', async () => {
    const of = await scenes(2);
    const silent = changed((owned) => owned.take.bind(owned), { onReady: () => () => undefined });
    await receive(of, { by: silent });
    await add(of[0]!, ['1']);
    await until('it was read', () => node.owned(of[0]!.topic, of[0]!.group)!.work.ready === 1);
    expect((await receive(of, { waitMs: 1, by: silent })).deliveries).toEqual([]);
    world.clock.advance(5_000);
    expect(told(of, await receive(of, { waitMs: 1, by: silent }))).toEqual(['0:1']);
  });

  test('one whose store fails keeps none of the others waiting, however few a call may receive', async () => {
    const of = await scenes(2, ['1', '2', '3']);
    const by = broken(of[0]!.topic);
    const heard: string[] = [];
    for (let call = 0; call < 6; call += 1) heard.push(...told(of, await receive(of, { max: 1, by, waitMs: 20_000 })));
    expect(heard).toEqual(['1:1', '1:2', '1:3']);
  });

  test('one whose store fails is named by each call, also while the others have nothing', async () => {
    const of = await scenes(2);
    const by = broken(of[0]!.topic);
    for (let call = 0; call < 3; call += 1) {
      expect(await receive(of, { by, waitMs: 20_000 })).toEqual({ deliveries: [], notServed: [namesOf(of)[0]] });
    }
  });

  test('where what is beyond the bytes cannot be given back, the rest is handed out', async () => {
    const of = await scenes(3, ['1', '2']);
    const settle = () => Promise.reject(new Error('the store is away'));
    const away = changed((owned) => owned.take.bind(owned), { settle }, 4);
    expect((await receive(of, { by: away })).deliveries).toHaveLength(2);
  });

  test('one that hangs does not hold up the others, is not asked again meanwhile, and what it gives late is given back', async () => {
    const of = await scenes(2, ['1']);
    let release!: () => void;
    const hanging = new Promise<void>((resolve) => (release = resolve));
    let asked = 0;
    const slow = changed((owned) => async (max, claimMs) => {
      if (owned.topic === of[1]!.topic && (asked += 1) > 0) await hanging;
      return owned.take(max, claimMs);
    });
    expect(told(of, await receive(of, { by: slow, visibilityMs: 1_000 }))).toEqual(['0:1']);
    expect(told(of, await receive(of, { by: slow, visibilityMs: 1_000 }))).toEqual([]);
    expect(asked).toBe(1);
    const waiting = receive(of, { by: slow, waitMs: 20_000 });
    release();
    const received = await waiting;
    expect(told(of, received)).toEqual(['1:1']);
    expect(received.deliveries[0]!.delivery.attempt).toBe(1);
  });

  test('each has its turn, whoever else asks in between', async () => {
    const names = Array.from({ length: 10 }, (_, index) => String(index));
    const [of, others] = [await scenes(2, names), await scenes(2, names)];
    const heard: string[] = [];
    for (let call = 0; call < 4; call += 1) {
      heard.push(...told(of, await receive(of, { max: 1 })));
      await receive(others, { max: 1 });
    }
    expect(heard.sort()).toEqual(['0:0', '0:1', '1:0', '1:1']);
  });

  test('a call that waits hears of what is behind a message whose body is gone', async () => {
    const made = await scene(['1', '2']);
    await world.opened.database.transaction(async (session) => {
      await session.finish({ sql: 'DELETE FROM halfbox_message WHERE id = ?', params: [`${made.topic}:1`] });
    });
    const waiting = receive([made], { max: 1, waitMs: 20_000 });
    const relay = node.owned(made.topic, made.group)!;
    await until('the first is buried', () => relay.inFlightCount === 0 && relay.work.ready === 1);
    await node.runOnce(world.clock.now());
    expect(told([made], await waiting)).toEqual(['0:2']);
  });

  test('a call that waits is woken when another one could not take what is there', async () => {
    const made = await scene(['1']);
    await until('it was read', () => node.owned(made.topic, made.group)!.work.ready === 1);
    let fail: (() => void) | undefined;
    const by = changed((owned) => (max, claimMs) => {
      if (fail !== undefined) return owned.take(max, claimMs);
      return new Promise((_, reject) => (fail = () => reject(new Error('its row cannot be read'))));
    });
    const first = receive([made], { by, waitMs: 20_000 });
    const second = receive([made], { by, waitMs: 20_000 });
    fail!();
    await expect(first).rejects.toThrow('its row cannot be read');
    expect(told([made], await second)).toEqual(['0:1']);
  });

  test('one that hangs holds up the others no longer than a quarter of their claims, however few a call may receive', async () => {
    const of = await scenes(2, ['1']);
    const never = changed((owned) =>
      owned.topic === of[0]!.topic ? () => new Promise(() => undefined) : owned.take.bind(owned),
    );
    expect(told(of, await receive(of, { max: 1, by: never, visibilityMs: 1_000 }))).toEqual(['1:1']);
  });

  test('one that is slow gets its turn, though what it gave was too late at first', async () => {
    const of = await scenes(2, ['1', '2', '3', '4', '5']);
    const slow = changed((owned) => async (max, claimMs) => {
      if (owned.topic === of[0]!.topic) await delay(300);
      return owned.take(max, claimMs);
    });
    const heard = new Set<string>();
    for (let call = 0; call < 20 && !heard.has('0:1'); call += 1) {
      for (const one of told(of, await receive(of, { max: 2, by: slow, visibilityMs: 1_000, waitMs: 20_000 }))) {
        heard.add(one);
      }
    }
    expect(heard).toContain('0:1');
  });

  test('the answer does not wait for what is given back', async () => {
    const of = await scenes(3, ['1', '2']);
    const hanging = changed((owned) => owned.take.bind(owned), { settle: () => new Promise(() => undefined) }, 4);
    expect((await receive(of, { by: hanging })).deliveries).toHaveLength(2);
  });

  test('names those that it does not have, though all that it has fail', async () => {
    const of = await scenes(1, ['1']);
    const foreign = { topic: 'no-such-topic', group: 'billing' };
    const failing = broken(of[0]!.topic);
    const request = { max: 1, visibilityMs: 30_000, waitMs: 20_000 };
    expect(await failing.several.receive([foreign, ...namesOf(of)], request)).toEqual({
      deliveries: [],
      notServed: [foreign, ...namesOf(of)],
    });
  });
});
