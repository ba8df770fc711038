import { Gauge, type Registry } from 'prom-client';
import type { Clock } from '../message/clock.js';
import { eachLimited } from '../runtime/each-limited.js';
import type { Logger } from '../runtime/logger.js';
import type { LookupStore } from '../store/lookup-store.js';
import type { SubscriptionCounts, SubscriptionStore } from '../store/subscription-store.js';

/** Subscriptions whose backlog is read for one scrape; metrics say so when there are more. */
const subscriptionsMax = 200;
/** Subscriptions that are counted at once, so that a scrape leaves the store's connections to requests. */
const countsConcurrency = 4;
/** Open transactions are counted up to here. */
const openMax = 100_000;
/** A scrape sooner than this after the last one is answered from it. */
const freshMs = 5_000;

/** What is open in the store, read when it is scraped: it is the same on every node. */
export class BacklogGauges {
  readonly #open: Gauge<'state'>;
  readonly #backlog: Gauge<'topic' | 'group'>;
  readonly #oldest: Gauge<'topic' | 'group'>;
  #readAt = -Infinity;

  constructor(
    registry: Registry,
    private readonly lookup: LookupStore,
    private readonly subscriptions: SubscriptionStore,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    const gauge = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
      new Gauge({ name: `halfbox_${name}`, help, labelNames, registers: [registry] });
    this.#open = gauge('open_transactions', `Transactions that are not resolved, counted up to ${openMax}`, ['state']);
    this.#backlog = gauge('backlog_messages', `Unsettled messages, of the first ${subscriptionsMax} subscriptions`, [
      'topic',
      'group',
    ]);
    this.#oldest = gauge('oldest_unsettled_seconds', 'Age of the oldest unsettled message', ['topic', 'group']);
  }

  /** Reads the store unless that was done just now. A store that is away leaves the last values and a log line. */
  async refresh(): Promise<void> {
    const now = this.clock.now();
    if (now - this.#readAt < freshMs) return;
    this.#readAt = now;
    try {
      const { prepared, parked } = await this.lookup.countOpen(openMax);
      this.#open.set({ state: 'prepared' }, prepared);
      this.#open.set({ state: 'parked' }, parked);
      const { items } = await this.subscriptions.list(undefined, subscriptionsMax);
      const counted: (SubscriptionCounts & { topic: string; group: string })[] = [];
      await eachLimited(items, countsConcurrency, async ({ topic, group }) => {
        counted.push({ topic, group, ...(await this.subscriptions.counts(topic, group)) });
      });
      this.#backlog.reset();
      this.#oldest.reset();
      for (const { topic, group, backlog, oldestUnsettledAt } of counted) {
        this.#backlog.set({ topic, group }, backlog);
        this.#oldest.set({ topic, group }, oldestUnsettledAt === undefined ? 0 : (now - oldestUnsettledAt) / 1000);
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'the backlogs could not be read for metrics');
    }
  }
}
