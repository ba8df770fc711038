import type { Logger } from '../runtime/logger.js';
import type { CatalogStore } from '../store/catalog-store.js';
import type { SubscriptionStore } from '../store/subscription-store.js';

/** A subscription with an unsettled message that is older than its topic's retention. */
export interface OverdueBacklog {
  topic: string;
  group: string;
  /** Age of its oldest unsettled message. */
  ageMs: number;
  retentionMs: number;
}

/** How often one subscription is warned about. */
const warnEveryMs = 3_600_000;

/** Subscriptions looked at in one report. */
const subscriptionsMax = 1_000;

const pageMax = 500;

/**
 * Warns of unsettled backlogs that are older than the retention; they are never deleted, so their topic grows. Only
 * topics of which something old could not be deleted are looked at.
 */
export class OverdueBacklogs {
  readonly #suspects = new Set<string>();
  readonly #warnedAt = new Map<string, number>();

  /** @param onReport given all overdue backlogs of each report, for metrics */
  constructor(
    private readonly subscriptions: SubscriptionStore,
    private readonly catalog: CatalogStore,
    private readonly logger: Logger,
    private readonly onReport: (overdue: OverdueBacklog[]) => void = () => {},
  ) {}

  /** Something old of this topic could not be deleted. */
  suspect(topic: string): void {
    this.#suspects.add(topic);
  }

  /** Looks at the suspected topics. Answers false: there is never more to do at once. */
  async report(now: number): Promise<boolean> {
    const topics = [...this.#suspects];
    this.#suspects.clear();
    const overdue: OverdueBacklog[] = [];
    let budget = subscriptionsMax;
    for (const topic of topics) {
      if (budget <= 0) break;
      budget -= await this.#look(topic, now, budget, overdue);
    }
    this.#warn(overdue, now);
    this.onReport(overdue);
    return false;
  }

  async #look(topic: string, now: number, budget: number, overdue: OverdueBacklog[]): Promise<number> {
    const row = await this.catalog.getTopic(topic);
    if (!row) return 0;
    let looked = 0;
    let after: string | undefined;
    do {
      const page = await this.subscriptions.list(after, Math.min(pageMax, budget - looked), topic);
      for (const { group } of page.items) {
        const { oldestUnsettledAt } = await this.subscriptions.counts(topic, group);
        if (oldestUnsettledAt === undefined || now - oldestUnsettledAt <= row.retentionMs) continue;
        overdue.push({ topic, group, ageMs: now - oldestUnsettledAt, retentionMs: row.retentionMs });
      }
      looked += page.items.length;
      after = page.next ?? undefined;
    } while (after !== undefined && looked < budget);
    return looked;
  }

  #warn(overdue: OverdueBacklog[], now: number): void {
    const names = new Set(overdue.map(({ topic, group }) => `${topic}/${group}`));
    for (const name of this.#warnedAt.keys()) if (!names.has(name)) this.#warnedAt.delete(name);
    for (const backlog of overdue) {
      const name = `${backlog.topic}/${backlog.group}`;
      if (now - (this.#warnedAt.get(name) ?? -Infinity) < warnEveryMs) continue;
      this.#warnedAt.set(name, now);
      this.logger.warn(backlog, 'an unsettled backlog is older than the retention: its topic keeps growing');
    }
  }
}
