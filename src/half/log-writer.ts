import type { Clock } from '../message/clock.js';
import type { StoredMessage } from '../message/message.js';
import type { Outcome, Problem } from '../message/problem.js';
import type { LogChunk } from '../message/ref.js';
import { reached, stepChannel } from '../message/step.js';
import type { AppendItem, AppendResult, HalfStore } from '../store/half-store.js';
import { GroupCommit, type GroupCommitBounds, type SizedItem } from './group-commit.js';
import { silentHalfObserver, type HalfObserver } from './half-observer.js';
import { storedAt } from './message-copies.js';
import type { PendingBudget } from './pending-budget.js';

/** What the relay is told about a batch, after it is durable, so that it need not read it back. */
export interface AppendListener {
  /** Messages that were stored; before the chunks that name them. */
  stored(messages: StoredMessage[]): void;
  appended(chunks: LogChunk[]): void;
  /** The first of the delayed messages that were committed or sent is due then (epoch ms). */
  scheduled(dueAt: number): void;
}

/** Commits, rollbacks and plain sends of concurrent requests, in shared batches; tells the relay what became visible. */
export class LogWriter {
  readonly #batches: GroupCommit<AppendItem, AppendResult>;

  /**
   * @param resolvedKeptMs how long the row of a resolved transaction is kept
   */
  constructor(
    store: HalfStore,
    clock: Clock,
    bounds: GroupCommitBounds,
    budget: PendingBudget,
    resolvedKeptMs: number,
    listener: AppendListener,
    observer: HalfObserver = silentHalfObserver,
  ) {
    const write = async (items: AppendItem[]) => {
      const now = clock.now();
      reachedBefore(items);
      const { outcomes, chunks } = await store.append(items, clock, resolvedKeptMs);
      reachedAfter(items);
      const sent = newlySent(items, outcomes, now);
      if (sent.length > 0) listener.stored(sent);
      if (chunks.length > 0) listener.appended(chunks);
      const dueAt = firstDueAt(outcomes);
      if (dueAt !== Infinity) listener.scheduled(dueAt);
      for (const { value } of outcomes) if (value && !value.repeated) report(observer, value);
      return outcomes;
    };
    this.#batches = new GroupCommit(write, bounds, budget, (size) => observer.batch('append', size));
  }

  /** Resolves when the item is durable, and visible where it appended. Rejects with the item's own problem (see `HalfStore.append`). */
  append(item: AppendItem, bytes: number): Promise<AppendResult> {
    return this.#batches.add(item, bytes);
  }

  /** As {@link append} for many items of one caller: an outcome for each, in their order. */
  appendAll(items: readonly (SizedItem<AppendItem> | Problem)[]): Promise<Outcome<AppendResult>[]> {
    return this.#batches.addAll(items);
  }
}

/** The steps of the items of a batch that is not stored yet. Where nobody listens the items are not looked at. */
function reachedBefore(items: AppendItem[]): void {
  if (!stepChannel.hasSubscribers) return;
  for (const { kind } of items) {
    if (kind === 'commit') reached('half.commit.before-store');
    else if (kind === 'rollback') reached('half.rollback.before-store');
    else reached('half.send.before-store');
  }
}

/** As {@link reachedBefore}, when they are durable and nobody was answered. */
function reachedAfter(items: AppendItem[]): void {
  if (!stepChannel.hasSubscribers) return;
  for (const { kind } of items) {
    if (kind === 'commit') reached('half.commit.after-store-before-answer');
    else if (kind === 'rollback') reached('half.rollback.after-store-before-answer');
    else reached('half.send.after-store-before-answer');
  }
}

function newlySent(items: AppendItem[], outcomes: Outcome<AppendResult>[], now: number): StoredMessage[] {
  const messages: StoredMessage[] = [];
  items.forEach((item, index) => {
    // A repeat or a refused item must not replace what is stored under its ids.
    if (item.kind !== 'send' || outcomes[index]?.value?.repeated !== false) return;
    for (const message of item.messages) messages.push(storedAt(now, message));
  });
  return messages;
}

function firstDueAt(outcomes: Outcome<AppendResult>[]): number {
  let first = Infinity;
  for (const { value } of outcomes) {
    for (const { deliverAt } of value?.messages ?? [])
      if (deliverAt !== undefined && deliverAt < first) first = deliverAt;
  }
  return first;
}

function report(observer: HalfObserver, { transaction, messages }: AppendResult): void {
  if (transaction) observer.resolved(transaction.state, transaction.resolvedBy);
  else observer.sent(messages.length);
}
