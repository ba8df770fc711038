import { DueRetries } from '../../src/relay/due-retries.js';
import { ReadAhead } from '../../src/relay/read-ahead.js';
import { OwnedState } from '../../src/relay/owned-state.js';
import { relayDefaults } from '../../src/relay/relay-settings.js';
import type { SettlementWriter } from '../../src/relay/settlement-writer.js';
import type { LaneStore } from '../../src/store/lane-store.js';
import { pullConfig } from '../store/conformance/log-fixture.js';

describe('due retries', () => {
  test('a try that fails while the store says when the next one is due is not forgotten', async () => {
    const subscription = {
      topic: 'orders',
      group: 'billing',
      config: pullConfig(),
      paused: false,
      generation: 1,
      epoch: 1,
      owner: 'node',
      createdAt: 0,
    };
    const cursors = [{ shard: 0, settledOffset: 0, settledAbove: [], given: [] }];
    const state = new OwnedState(
      { subscription, secrets: null, cursors, hasEntries: true },
      relayDefaults,
      new ReadAhead(relayDefaults),
    );
    const store = {
      dueRetries: async () => [],
      nextRetryAt: async () => {
        state.retryWakeAt = 1_200;
        return null;
      },
    };
    const clock = { now: () => 1_000 };
    const dueRetries = new DueRetries(
      state,
      store as unknown as LaneStore,
      {} as SettlementWriter,
      relayDefaults,
      clock,
    );
    await dueRetries.load(1_000);
    expect(state.retryWakeAt).toBe(1_200);
    expect(dueRetries.wanted(1_200)).toBe(true);
  });
});
