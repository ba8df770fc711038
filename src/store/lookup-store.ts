import type { MessageRef } from '../message/ref.js';
import type { Placement, StoredMessage } from '../message/message.js';
import type { CheckAttempt, Resolver, TransactionState } from '../message/transaction.js';
import type { Page } from './catalog-store.js';
import type { DeliveryStateView } from './delivery-view.js';

export interface TransactionView {
  id: string;
  producer: string;
  /** The producer's process that prepared it, where it said so. */
  instance?: string;
  state: TransactionState;
  preparedAt: number;
  firstCheckAt: number;
  /** When the next check is due; only while prepared. */
  nextCheckAt?: number;
  resolvedAt?: number;
  resolvedBy?: Resolver;
  reason?: string;
  messages: { id: string; topic: string; placement?: Placement; deliverAt?: number; stored?: StoredMessage }[];
  checks: CheckAttempt[];
}

export type MessageState = 'half' | 'rolled_back' | 'parked' | 'scheduled' | 'recalled' | 'visible';

export interface MessageView {
  message: StoredMessage;
  state: MessageState;
  placement?: Placement;
  deliverAt?: number;
  /** For the question who has it; the ref as the log carries it. */
  ref: MessageRef;
}

/** Reads for people and for lost answers. Two primary-key reads at most for one message. */
export interface LookupStore {
  getTransaction(id: string, withBodies: boolean): Promise<TransactionView | null>;
  /** Newest ids last; `topic` matches transactions with a message in it. */
  listTransactions(
    filter: { state?: TransactionState; producer?: string; topic?: string },
    after: string | undefined,
    limit: number,
  ): Promise<Page<Omit<TransactionView, 'checks'>>>;
  getMessage(id: string): Promise<MessageView | null>;
  /** How a visible message stands with each subscription of its topic (the first 500), by group. Empty where it has no placement. */
  deliveriesOf(view: MessageView): Promise<DeliveryStateView[]>;
  listMessages(
    filter: { topic: string; key: string; from?: number; to?: number },
    after: string | undefined,
    limit: number,
  ): Promise<Page<MessageView>>;
  /** Counts per state, for metrics: prepared and parked transactions (bounded: stops counting at `max`). */
  countOpen(max: number): Promise<{ prepared: number; parked: number }>;
}
