import type { Assignment } from './assignment.js';
import type { OwnedSubscriptions } from './owned-subscriptions.js';
import type { ReadAhead } from './read-ahead.js';
import type { RelaySettings } from './relay-settings.js';

/**
 * Forgets what was read ahead for consumers that have gone, where those that are there have no room: such a subscription is
 * given back as planned, and whoever claims it next reads nothing of it until it is asked for.
 */
export class UnusedWindows {
  constructor(
    private readonly readAhead: Pick<ReadAhead, 'isFull'>,
    private readonly owned: Pick<OwnedSubscriptions, 'all'>,
    private readonly assignment: Pick<Assignment, 'releaseAll'>,
    private readonly settings: Pick<RelaySettings, 'readAheadKeptMs' | 'claimTogetherMax'>,
  ) {}

  async runOnce(now: number): Promise<void> {
    if (!this.readAhead.isFull) return;
    const since = now - this.settings.readAheadKeptMs;
    const unused = [...this.owned.all()]
      .map((relay) => ({ relay, count: relay.readForNobody(since) }))
      .filter(({ count }) => count > 0)
      .sort((a, b) => b.count - a.count)
      .slice(0, this.settings.claimTogetherMax);
    await this.assignment.releaseAll(unused.map(({ relay }) => relay));
  }
}
