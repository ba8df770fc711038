import { Problem } from '../../src/message/problem.js';
import type { Relay } from '../../src/relay/relay.js';
import type { LaneStore } from '../../src/store/lane-store.js';
import { retryAt } from '../store/conformance/log-fixture.js';
import { openTestStore, sqliteServer } from '../store/databases.js';
import { ManualClock, Scene, startNode, type World } from './relay-fixture.js';
import { storeBetween } from './store-between.js';

type Answer = (value: unknown) => Promise<unknown>;

const lose: Answer = () => Promise.reject(new Problem('unavailable', 'the store is away'));

/** An answer that is held back until it is let go, to be what `answer` says. */
function held(answer: Answer): { answer: Answer; asked: Promise<void>; letGo: () => void } {
  let letGo!: () => void;
  let ask!: () => void;
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  const asked = new Promise<void>((resolve) => (ask = resolve));
  const hold: Answer = async (value) => {
    ask();
    await gate;
    return answer(value);
  };
  return { answer: hold, asked, letGo };
}

describe('where the store has done what it could not say', () => {
  const failed = { kind: 'nack', error: 'no', delayMs: 0 } as const;
  let world: World;
  let node: Relay;
  /** What becomes of the next answer of a call; what was asked for is done all the same. */
  const next = new Map<keyof LaneStore, Answer>();

  beforeAll(async () => {
    world = { clock: new ManualClock(), opened: await openTestStore(sqliteServer) };
    const store = storeBetween(world, async (verb, _args, proceed) => {
      const answer = next.get(verb);
      next.delete(verb);
      const value = await proceed();
      return answer ? answer(value) : value;
    });
    node = await startNode(world, 'node-1', { store });
  });

  afterAll(async () => {
    await node.stop();
    await world.opened.close();
  });

  /** Two messages in hand, of which the second was failed and is due again. */
  async function oneInHandOneDue(scene: Scene) {
    await scene.append(['1', '2']);
    const relay = await scene.on(node);
    const [first, second] = await scene.takeAll(relay);
    await scene.settle(relay, [second!], { ...failed, delayMs: 1_000 });
    world.clock.advance(1_000);
    return { relay, first: first! };
  }

  test('a try whose failure is being stored is not given out from what was stored of it', async () => {
    const scene = await Scene.make(world);
    const { relay, first } = await oneInHandOneDue(scene);
    const unsure = held(lose);
    next.set('settle', unsure.answer);
    const settling = scene.settle(relay, [first], failed);
    await unsure.asked;
    const read = held(async (entries) => entries);
    next.set('dueRetries', read.answer);
    const taking = relay.take(10, 30_000);
    await read.asked;
    read.letGo();
    // The rows that were read are taken in before the answer is lost.
    await new Promise(setImmediate);
    unsure.letGo();
    await expect(settling).rejects.toMatchObject({ slug: 'unavailable' });
    expect((await taking).map((delivery) => [scene.name(delivery), delivery.attempt])).toEqual([['2', 2]]);
    expect(await scene.settle(relay, [first], { kind: 'ack' })).toEqual(['settled']);
    expect((await scene.retries()).map(({ offset, state }) => [offset, state])).toEqual([[1, 'given']]);
    expect(await scene.seize()).toMatchObject([{ settledOffset: 2, given: [] }]);
  });

  test('a try that is acked while its row is being read is not given out again', async () => {
    const scene = await Scene.make(world);
    const { relay, first } = await oneInHandOneDue(scene);
    next.set('settle', lose);
    await expect(scene.settle(relay, [first], failed)).rejects.toMatchObject({ slug: 'unavailable' });
    const read = held(async (entries) => entries);
    next.set('dueRetries', read.answer);
    const taking = relay.take(10, 30_000);
    await read.asked;
    expect(await scene.settle(relay, [first], { kind: 'ack' })).toEqual(['settled']);
    read.letGo();
    expect((await taking).map((delivery) => scene.name(delivery))).toEqual(['2']);
    expect(await scene.takeNames(relay)).toEqual([]);
  });

  test('a dead letter that is discarded before its owner hears that it was stored blocks its key no longer', async () => {
    const scene = await Scene.make(world, { onDeadLetter: 'block' });
    await scene.append(['a1', 'a2']);
    const relay = await scene.on(node);
    const slow = held(async (outcomes) => outcomes);
    const [first] = await scene.takeAll(relay);
    next.set('settle', slow.answer);
    const burying = scene.settle(relay, [first!], { kind: 'reject', error: 'bad' });
    await slow.asked;
    const { topic, group } = scene;
    await world.opened.store.deadLetters.discard({ topic, group }, 10);
    const noticing = node.subscriptionChanged(topic, group);
    // Time to look, were it not to wait.
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    slow.letGo();
    await Promise.all([burying, noticing]);
    expect(await scene.takeNames(relay)).toEqual(['a2']);
  });

  test('a takeover drops the row of a first try that is acked', async () => {
    const scene = await Scene.make(world);
    await scene.append(['1']);
    const now = world.clock.now();
    await scene.leave({
      cursors: [{ shard: 0, settledOffset: 0, settledAbove: [], given: [{ from: 0, to: 1, dueAt: now + 30_000 }] }],
      retriesPut: [retryAt(0, 0, { ref: { id: `${scene.topic}:1` }, dueAt: now })],
    });
    const relay = await scene.on(node);
    const [inherited] = await relay.inFlight();
    expect(await scene.takeNames(relay)).toEqual([]);
    expect(await scene.settle(relay, [inherited!], { kind: 'ack' })).toEqual(['settled']);
    await scene.later(relay, 10_000);
    expect(await scene.takeNames(relay)).toEqual([]);
    expect(await scene.retries()).toEqual([]);
  });
});
