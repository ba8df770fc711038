import { Problem } from '../../../src/message/problem.js';
import { tagFilter } from '../../../src/message/tag-filter.js';
import type { Page } from '../../../src/store/catalog-store.js';
import type { DeliveryStateView } from '../../../src/store/delivery-view.js';
import type { LookupStore, MessageView, TransactionView } from '../../../src/store/lookup-store.js';
import type { TransactionState } from '../../../src/message/transaction.js';
import {
  byText,
  isWithin,
  pageAfter,
  refOf,
  type MessageRow,
  type SubscriptionRow,
  type Tables,
  type TransactionRow,
} from './tables.js';

type View = Omit<TransactionView, 'checks'>;

/** Look-ups over maps. */
export class ModelLookupStore implements LookupStore {
  constructor(private readonly tables: Tables) {}

  async getTransaction(id: string, withBodies: boolean): Promise<TransactionView | null> {
    const row = this.tables.transactions.get(id);
    if (row === undefined) return null;
    const view = this.#transaction(row);
    for (const message of withBodies ? view.messages : []) {
      const stored = this.tables.messages.get(message.id)?.stored;
      if (stored) message.stored = { ...stored };
    }
    return { ...view, checks: row.attempts.map((attempt) => ({ ...attempt })) };
  }

  async listTransactions(
    filter: { state?: TransactionState; producer?: string; topic?: string },
    after: string | undefined,
    limit: number,
  ): Promise<Page<View>> {
    const all = [...this.tables.transactions.values()]
      .filter(({ state }) => (filter.state ?? state) === state)
      .filter(({ producer }) => (filter.producer ?? producer) === producer)
      .filter(({ refs }) => filter.topic === undefined || refs.some(({ topic }) => topic === filter.topic))
      .sort((a, b) => byText(a.id, b.id));
    const { items, next } = pageAfter(all, after, limit, ({ id }) => id);
    return { items: items.map((row) => this.#transaction(row)), next };
  }

  async getMessage(id: string): Promise<MessageView | null> {
    const row = this.tables.messages.get(id);
    return row === undefined ? null : this.#message(row);
  }

  async deliveriesOf({ message, placement, ref }: MessageView): Promise<DeliveryStateView[]> {
    if (placement === undefined) return [];
    const { shard, offset } = placement;
    return this.tables
      .ofTopic(message.topic)
      .sort((a, b) => byText(a.subscription.group, b.subscription.group))
      .map((row) => this.#delivery(row, shard, offset, ref));
  }

  async listMessages(
    { topic, key, from = 0, to = Infinity }: { topic: string; key: string; from?: number; to?: number },
    after: string | undefined,
    limit: number,
  ): Promise<Page<MessageView>> {
    if (after !== undefined && !/^\d{1,15}:./.test(after)) {
      throw new Problem('validation-failed', 'after does not name a page');
    }
    const keyOf = ({ stored: { storedAt, id } }: MessageRow): string => `${String(storedAt).padStart(15, '0')}:${id}`;
    const all = [...this.tables.messages.values()]
      .filter(({ stored }) => stored.topic === topic && stored.key === key)
      .filter(({ stored }) => stored.storedAt >= from && stored.storedAt < to)
      .sort((a, b) => byText(keyOf(a), keyOf(b)));
    const { items, next } = pageAfter(all, after, limit, keyOf);
    return { items: items.map((row) => this.#message(row)), next };
  }

  async countOpen(max: number): Promise<{ prepared: number; parked: number }> {
    const counts = { prepared: 0, parked: 0 };
    for (const { state } of this.tables.transactions.values()) {
      if (state === 'prepared' || state === 'parked') counts[state] = Math.min(max, counts[state] + 1);
    }
    return counts;
  }

  #transaction(row: TransactionRow): View {
    const { id, producer, instance, state, preparedAt, firstCheckAt, dueAt, resolvedAt, resolvedBy, reason } = row;
    const isResolved = state === 'committed' || state === 'rolled_back';
    const messages: View['messages'] = isResolved
      ? row.messages
      : row.refs.map((ref) => ({ id: ref.id, topic: ref.topic }));
    return {
      id,
      producer,
      ...(instance !== undefined && { instance }),
      state,
      preparedAt,
      firstCheckAt,
      ...(state === 'prepared' && { nextCheckAt: dueAt }),
      ...(isResolved && { resolvedAt, resolvedBy }),
      ...(isResolved && reason !== undefined && { reason }),
      messages: messages.map((message) => {
        const placement = this.tables.messages.get(message.id)?.placement;
        return 'deliverAt' in message && placement ? { ...message, placement } : { ...message };
      }),
    };
  }

  #message({ stored, placement, dueAt, recalledAt }: MessageRow): MessageView {
    const view: MessageView = { message: { ...stored }, state: 'visible', ref: refOf(stored) };
    const state = this.tables.transactions.get(stored.transactionId ?? '')?.state;
    if (dueAt !== undefined) view.deliverAt = dueAt;
    if (recalledAt !== undefined) view.state = 'recalled';
    else if (placement !== undefined) view.placement = placement;
    else if (state === 'prepared') view.state = 'half';
    else if (state === 'parked' || state === 'rolled_back') view.state = state;
    else if (dueAt !== undefined) view.state = 'scheduled';
    return view;
  }

  #delivery(row: SubscriptionRow, shard: number, offset: number, ref: MessageView['ref']): DeliveryStateView {
    const { topic, group, config } = row.subscription;
    const dead = this.tables.deadOf(topic, group).find((each) => each.shard === shard && each.offset === offset);
    if (dead) return { group, state: 'dead', attempt: dead.attempts, error: dead.error };
    const retry = row.retries.get(`${shard}:${offset}`);
    if (retry) {
      const { state, attempt, dueAt, error } = retry;
      if (state === 'waiting_for_key') return { group, state: 'ready', attempt };
      const view = { group, state: state === 'given' ? ('in_flight' as const) : ('retry' as const), attempt, dueAt };
      return error === undefined ? view : { ...view, error };
    }
    if (!tagFilter(config.filter)(ref.tag)) return { group, state: 'filtered', attempt: 0 };
    const lane = row.lanes.get(shard)!;
    if (offset < lane.settledOffset || isWithin(lane.settledAbove, offset))
      return { group, state: 'acked', attempt: 0 };
    const given = lane.given.find(({ from, to }) => from <= offset && offset < to);
    if (given) return { group, state: 'in_flight', attempt: 1, dueAt: given.dueAt };
    return { group, state: 'ready', attempt: 0 };
  }
}
