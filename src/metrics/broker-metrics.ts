import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { CheckObserver } from '../check/check-observer.js';
import type { QueueBridgeEvents } from '../deliver/queue-bridge-settings.js';
import type { HalfObserver } from '../half/half-observer.js';
import type { RelayEvents } from '../relay/relay-events.js';
import type { OverdueBacklog } from '../retention/overdue-backlogs.js';
import type { RetentionObserver } from '../retention/retention.js';
import type { Events } from '../runtime/events.js';
import type { StatementObserver } from '../store/sql/database.js';

const latencyBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

const queueLosses = ['ignored', 'engineLost', 'workerLost', 'misnamed'] as const satisfies (keyof QueueBridgeEvents)[];

/** What the broker counts, for Prometheus. Names are `halfbox_…`; times are seconds, as Prometheus asks. */
export class BrokerMetrics {
  readonly registry = new Registry();
  readonly #transactions = this.#counter('transactions_total', 'Transactions by the state they came to', [
    'state',
    'resolver',
  ]);
  readonly #sent = this.#counter('sent_messages_total', 'Messages sent without a transaction');
  readonly #refused = this.#counter('refused_requests_total', 'Requests with new work refused before they were read');
  readonly #batches = this.#histogram(
    'batch_size',
    'Items written in one database transaction',
    ['kind'],
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
  );
  readonly #checks = this.#counter('checks_total', 'Check-backs by outcome', ['outcome']);
  readonly #checkLatency = this.#histogram('check_seconds', 'How long producers took to answer', [], latencyBuckets);
  readonly #parked = this.#counter('parked_transactions_total', 'Transactions that ran out of checks', ['why']);
  readonly #contradicted = this.#counter('contradicted_checks_total', 'Answers opposite to what had been decided');
  readonly #given = this.#counter('deliveries_given_total', 'Tries given to consumers', ['topic', 'group']);
  readonly #deliveries = this.#counter('deliveries_total', 'Tries by outcome', ['topic', 'group', 'outcome']);
  readonly #lost = this.#counter('queue_losses_total', 'Tries that a queue engine or its workers lost', [
    'topic',
    'group',
    'what',
  ]);
  readonly #deleted = this.#counter('deleted_total', 'What retention deleted', ['what']);
  readonly #overdue = new Gauge({
    name: 'halfbox_overdue_backlog_seconds',
    help: 'Age of unsettled backlogs that are older than the retention of their topic',
    labelNames: ['topic', 'group'],
    registers: [this.registry],
  });
  readonly #store = this.#histogram(
    'store_seconds',
    'Round trips and transactions of the store',
    ['kind'],
    latencyBuckets,
  );

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  readonly half: HalfObserver = {
    batch: (kind, size) => this.#batches.observe({ kind }, size),
    prepared: () => this.#transactions.inc({ state: 'prepared', resolver: '' }),
    resolved: (state, resolver) => this.#transactions.inc({ state, resolver }),
    sent: (count) => this.#sent.inc(count),
  };

  /** So many requests found the broker in an overload. */
  readonly refused = (count: number): void => this.#refused.inc(count);

  readonly check: CheckObserver = {
    asked: (outcome, latencyMs) => {
      this.#checks.inc({ outcome });
      this.#checkLatency.observe(latencyMs / 1000);
    },
    parked: (why) => this.#parked.inc({ why }),
    contradicted: () => this.#contradicted.inc(),
  };

  readonly retention: RetentionObserver = { deleted: (what, count) => this.#deleted.inc({ what }, count) };

  readonly overdueBacklogs = (overdue: OverdueBacklog[]): void => {
    this.#overdue.reset();
    for (const { topic, group, ageMs } of overdue) this.#overdue.set({ topic, group }, ageMs / 1000);
  };

  readonly onStatement: StatementObserver = (kind, durationMs) => this.#store.observe({ kind }, durationMs / 1000);

  /** Counts what the relay and its queues tell. */
  listen(relay: Events<RelayEvents>, queues: Events<QueueBridgeEvents>): void {
    relay.on('given', ({ topic, group, count }) => this.#given.inc({ topic, group }, count));
    relay.on('settled', ({ topic, group, ...outcomes }) => {
      for (const [outcome, count] of Object.entries(outcomes)) {
        if (count > 0) this.#deliveries.inc({ topic, group, outcome }, count);
      }
    });
    relay.on('stale', ({ topic, group, count }) => this.#deliveries.inc({ topic, group, outcome: 'stale' }, count));
    relay.on('released', ({ topic, group }) => this.#forget(topic, group));
    for (const what of queueLosses) {
      queues.on(what, ({ topic, group, count }) => this.#lost.inc({ topic, group, what }, count));
    }
  }

  /** Shows how many streams of producers this node holds. */
  watchStreams(count: () => number): void {
    new Gauge({
      name: 'halfbox_streams',
      help: 'Open streams over which producers are asked',
      registers: [this.registry],
      collect() {
        this.set(count());
      },
    });
  }

  /** The text that Prometheus scrapes. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  /** Series of a subscription that this node no longer owns would stay for ever. */
  #forget(topic: string, group: string): void {
    for (const outcome of ['acked', 'retried', 'released', 'dead', 'expired', 'stale'])
      this.#deliveries.remove({ topic, group, outcome });
    for (const what of queueLosses) this.#lost.remove({ topic, group, what });
    this.#given.remove({ topic, group });
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[] = []): Counter<Label> {
    return new Counter({ name: `halfbox_${name}`, help, labelNames, registers: [this.registry] });
  }

  #histogram<Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    buckets: number[],
  ): Histogram<Label> {
    return new Histogram({ name: `halfbox_${name}`, help, labelNames, buckets, registers: [this.registry] });
  }
}
