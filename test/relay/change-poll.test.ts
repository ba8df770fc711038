import { ChangePoll } from '../../src/relay/change-poll.js';
import type { OwedLease, OwnedSubscriptions } from '../../src/relay/owned-subscriptions.js';
import type { SubscriptionRelay } from '../../src/relay/subscription-relay.js';
import type { ChangedSubscription } from '../../src/store/subscription-store.js';
import { pullConfig } from '../store/conformance/log-fixture.js';

describe('changes of subscriptions through other nodes', () => {
  test('include a claim whose answer is lost long after it was stored', async () => {
    const claimed: ChangedSubscription = {
      ...{ topic: 'orders', group: 'billing', config: pullConfig(), paused: false, generation: 1, epoch: 7 },
      ...{ owner: 'node', createdAt: 0, changedAt: 1_000 },
    };
    let claiming = true;
    const owed: OwedLease[] = [];
    const owned = {
      get: () => null,
      has: () => claiming,
      owe: (lease: OwedLease) => void owed.push(lease),
    } as unknown as OwnedSubscriptions;
    const store = {
      changedSince: async (since: number) => (claimed.changedAt >= since ? [claimed] : []),
      get: async () => null,
    };
    const poll = new ChangePoll(store, owned, 'node');
    poll.begin(1_000);
    for (const now of [2_000, 10_000, 60_000]) await poll.runOnce(now);
    expect(owed).toEqual([]);
    claiming = false;
    await poll.runOnce(61_000);
    expect(owed).toEqual([{ topic: 'orders', group: 'billing', epoch: 7 }]);
    await poll.runOnce(62_000);
    expect(owed).toHaveLength(1);
  });

  test('are all seen, also when there are more than one look reads', async () => {
    const changes = Array.from({ length: 25_000 }, (_, index): ChangedSubscription => ({
      ...{ topic: 'orders', group: `group-${index}`, config: pullConfig(), paused: true, generation: 1, epoch: 1 },
      ...{ owner: 'node', createdAt: 0, changedAt: 1_000 + Math.floor(index / 100) },
    }));
    const relays = new Map(changes.map(({ topic, group }) => [group, { topic, group, claimedAt: 0 }]));
    const seen = new Set<string>();
    const owned = {
      get: (_topic: string, group: string) => relays.get(group),
      reconcile: async ({ group }: SubscriptionRelay) => void seen.add(group),
    } as unknown as OwnedSubscriptions;
    const store = {
      changedSince: async (since: number, limit: number) =>
        changes.filter(({ changedAt }) => changedAt >= since).slice(0, limit),
      get: async () => null,
    };
    const poll = new ChangePoll(store, owned, 'node');
    poll.begin(1_000);
    for (const now of [10_000, 11_000, 12_000, 13_000]) await poll.runOnce(now);
    expect(seen.size).toBe(changes.length);
  });
});
