import { Problem } from '../../src/message/problem.js';
import type { Relay } from '../../src/relay/relay.js';
import type { ClaimedSubscription, FreeLease, LaneStore } from '../../src/store/lane-store.js';
import { pullConfig } from '../store/conformance/log-fixture.js';
import { openTestStore, storeServers } from '../store/databases.js';
import { ManualClock, Scene, startNode, type World } from './relay-fixture.js';
import { storeBetween, type Between } from './store-between.js';

const groups = Array.from({ length: 120 }, (_, index) => `group-${index}`);

describe.each(storeServers)('a node that takes over many subscriptions on $name', (server) => {
  let world: World;
  let node: Relay;
  let topic: string;
  let between: Between;

  beforeAll(async () => {
    world = { clock: new ManualClock(), opened: await openTestStore(server) };
    between = (_verb, _args, proceed) => proceed();
    node = await startNode(world, 'node-1', { store: storeBetween(world, (...call) => between(...call)) });
  });

  beforeEach(async () => {
    ({ topic } = await Scene.make(world));
    const { subscriptions } = world.opened.store;
    for (const group of groups)
      await subscriptions.put(topic, group, pullConfig(), 'earliest', undefined, world.clock.now());
  });

  afterAll(async () => {
    await node.stop();
    await world.opened.close();
  });

  const notOwned = (): string[] => groups.filter((group) => node.owned(topic, group) === null);

  test('makes few calls of the store, and reads nothing of those that have no entries', async () => {
    const asked: Partial<Record<keyof LaneStore, number>> = {};
    between = (verb, _args, proceed) => {
      asked[verb] = (asked[verb] ?? 0) + 1;
      return proceed();
    };
    await node.runOnce(world.clock.now());
    expect(notOwned()).toEqual([]);
    expect(asked.claim).toBe(3);
    const ofEntries = ['givenRetries', 'blockedKeys', 'dueRetries', 'nextRetryAt'];
    expect(ofEntries.filter((verb) => verb in asked)).toEqual([]);
  });

  test('takes all but the one that cannot be claimed, and that one as soon as it can', async () => {
    const isBad = ({ group }: FreeLease): boolean => group === 'group-7';
    between = (verb, args, proceed) =>
      verb === 'claim' && (args[0] as FreeLease[]).some(isBad) ? Promise.reject(new Error('bad row')) : proceed();
    await node.runOnce(world.clock.now());
    expect(notOwned()).toEqual(['group-7']);
    between = (_verb, _args, proceed) => proceed();
    await node.runOnce(world.clock.now());
    expect(notOwned()).toEqual([]);
  });

  test('takes all but the one that it cannot go on with, and gives that one back', async () => {
    const { opened, clock } = world;
    between = async (verb, args, proceed) => {
      if (verb === 'givenRetries' && args[1] === 'group-7') throw new Error('bad row');
      const answer = await proceed();
      if (verb !== 'claim') return answer;
      return (answer as (ClaimedSubscription | null)[]).map((each) => each && { ...each, hasEntries: true });
    };
    await node.runOnce(clock.now());
    expect(notOwned()).toEqual(['group-7']);
    between = (verb, _args, proceed) => (verb === 'claimable' ? Promise.resolve([]) : proceed());
    await node.runOnce(clock.now());
    expect((await opened.store.subscriptions.get(topic, 'group-7'))!.subscription.owner).toBeNull();
    between = (_verb, _args, proceed) => proceed();
    await node.runOnce(clock.now());
    expect(notOwned()).toEqual([]);
  });

  test('finds again what it claimed when the answers are lost', async () => {
    const lost = new Problem('unavailable', 'the answer was lost');
    between = async (verb, _args, proceed) => {
      const answer = await proceed();
      if (verb === 'claim') throw lost;
      return answer;
    };
    await node.runOnce(world.clock.now());
    expect(notOwned()).toHaveLength(groups.length);
    const { subscription } = (await world.opened.store.subscriptions.get(topic, 'group-7'))!;
    expect(subscription.owner).toBe('node-1');
    between = (_verb, _args, proceed) => proceed();
    await node.runOnce(world.clock.now());
    expect(notOwned()).toEqual([]);
    expect(node.owned(topic, 'group-7')!.epoch).toBe(subscription.epoch + 1);
  });
});
