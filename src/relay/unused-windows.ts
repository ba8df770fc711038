import type { Assignment } from './assignment.js';
import type { NodeLease } from './node-lease.js';
import type { OwnedSubscriptions } from './owned-subscriptions.js';
import type { ReadAhead } from './read-ahead.js';
import type { RelaySettings } from './relay-settings.js';
import type { SubscriptionRelay } from './subscription-relay.js';

/**
 * Forgets what was read ahead for consumers that have gone, as far as those that are there have no room: such a subscription is
 * given back as planned, and whoever claims it next reads nothing of it until it is asked for.
 */
export class UnusedWindows {
  constructor(
    private readonly readAhead: Pick<ReadAhead, 'isFull'>,
    private readonly owned: Pick<OwnedSubscriptions, 'all'>,
    private readonly assignment: Pick<Assignment, 'releaseAll'>,
    private readonly lease: Pick<NodeLease, 'holds'>,
    private readonly settings: Pick<RelaySettings, 'readAheadKeptMs' | 'claimTogetherMax'>,
  ) {}

  async runOnce(now: number): Promise<void> {
    if (!this.readAhead.isFull) return;
    const since = now - this.settings.readAheadKeptMs;
    const unused = [...this.owned.all()]
      .filter((relay) => isUnused(relay, since))
      .sort((a, b) => b.readAheadCount - a.readAheadCount)
      .slice(0, this.settings.claimTogetherMax);
    for (const relay of unused) {
      if (!this.readAhead.isFull || !this.lease.holds) return;
      // Its consumer may have come back while others were given back.
      if (isUnused(relay, since)) await this.assignment.releaseAll([relay]);
    }
  }
}

/** Whether what was read waits for a consumer that has not been there since `since`, or is kept from it by a pause. */
function isUnused(relay: SubscriptionRelay, since: number): boolean {
  const { config, paused } = relay;
  if (relay.ended || relay.readAheadCount === 0 || relay.claimedAt >= since) return false;
  // When an ephemeral one was used last is known here alone, and says when it is deleted.
  if (config.expiresAfterIdleMs !== undefined) return false;
  if (config.mode === 'pull') return paused || !relay.usedSince(since);
  // What a target is working on would be cut off.
  return paused && relay.inFlightCount === 0;
}
