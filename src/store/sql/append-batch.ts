import { Problem, type Outcome } from '../../message/problem.js';
import type { IdentifiedMessage } from '../../message/message.js';
import { resolutionTable } from '../../message/transaction.js';
import { orderingKeyHash } from '../../message/ordering-key.js';
import type { MessageRef } from '../../message/ref.js';
import type { AppendedMessage, AppendItem, AppendResult } from '../half-store.js';
import type { SqlRow } from './database.js';
import type { Scheduled } from './insert-scheduled.js';
import type { LockedTransaction } from './lock-transactions.js';
import { answerSent } from './read-sent.js';
import { ShardPlan } from './shard-plan.js';

type ResolveItem = Extract<AppendItem, { transactionId: string }>;

/** A message of a plain send that this batch stores. */
export interface Sending {
  message: IdentifiedMessage;
  answer: AppendedMessage;
}

/** What a batch may rely on while its database transaction is open. */
export interface AppendGround {
  now: number;
  /** Number of the batch, by which messages without an ordering key take turns on the shards. */
  turn: number;
  transactions: Map<string, LockedTransaction>;
  /** Messages that are stored already under ids of plain sends. */
  sent: Map<string, SqlRow>;
  /** Shards of the topics that exist. */
  shards: Map<string, number>;
}

/** Decides in memory, item by item, what a batch changes and what each item is answered. */
export class AppendBatch {
  readonly plan: ShardPlan;
  readonly resolved = new Set<LockedTransaction>();
  readonly sending: Sending[] = [];
  readonly scheduled: Scheduled[] = [];
  /** Items that share an id with an earlier send of this batch: only after that is stored can they be answered. */
  readonly deferred: number[] = [];
  readonly #outcomes: (() => Outcome<AppendResult>)[] = [];
  readonly #sendingIds = new Set<string>();

  constructor(private readonly ground: AppendGround) {
    this.plan = new ShardPlan(ground.shards, ground.turn);
  }

  /** Takes the next item. */
  add(item: AppendItem): void {
    this.#outcomes.push(item.kind === 'send' ? this.#send(item.messages) : this.#resolve(item));
  }

  /** The outcomes in the order of the items; to be asked for when the plan's messages have their offsets. */
  outcomes(): Outcome<AppendResult>[] {
    return this.#outcomes.map((outcome) => outcome());
  }

  #resolve({ kind, transactionId, by, reason }: ResolveItem): () => Outcome<AppendResult> {
    const transaction = this.ground.transactions.get(transactionId);
    if (!transaction) return refused('transaction-not-found', `transaction ${transactionId} does not exist`);
    const next = resolutionTable[transaction.state][kind];
    if (next === 'conflict') {
      return transaction.state === 'committed'
        ? refused('transaction-already-committed', `transaction ${transactionId} was committed`)
        : refused('transaction-already-rolled-back', `transaction ${transactionId} was rolled back`);
    }
    if (next === 'same') return () => ({ value: resultOf(transaction, true) });
    if (kind === 'commit') {
      const missing = transaction.refs.find(({ topic }) => !this.ground.shards.has(topic));
      if (missing) return topicNotFound(missing.topic);
    }
    transaction.state = next;
    transaction.resolvedAt = this.ground.now;
    transaction.resolvedBy = by;
    transaction.reason = reason;
    this.resolved.add(transaction);
    transaction.messages =
      kind === 'commit'
        ? transaction.refs.map((ref) => this.#commit(ref))
        : transaction.refs.map(({ id, topic }) => ({ id, topic }));
    return () => ({ value: resultOf(transaction, false) });
  }

  #commit({ id, topic, tag, keyHash, delayMs, deliverAt }: LockedTransaction['refs'][number]): AppendedMessage {
    const answer: AppendedMessage = { id, topic };
    this.#appendOrSchedule(answer, { id, tag, keyHash } as MessageRef, delayMs, deliverAt, true);
    return answer;
  }

  #send(messages: IdentifiedMessage[]): () => Outcome<AppendResult> {
    if (messages.some(({ id }) => this.#sendingIds.has(id))) {
      this.deferred.push(this.#outcomes.length);
      return refused('internal', 'the item was not answered');
    }
    const answers: AppendedMessage[] = [];
    const fresh: Sending[] = [];
    for (const message of messages) {
      const row = this.ground.sent.get(message.id);
      const answer = row ? answerSent(message, row) : { id: message.id, topic: message.topic };
      if (answer instanceof Problem) return () => ({ problem: answer });
      if (!row && !this.ground.shards.has(message.topic)) return topicNotFound(message.topic);
      if (!row) fresh.push({ message, answer });
      answers.push(answer);
    }
    for (const sending of fresh) this.#store(sending);
    return () => ({ value: { messages: answers, repeated: fresh.length === 0 } });
  }

  #store(sending: Sending): void {
    const { id, tag, orderingKey, delayMs, deliverAt } = sending.message;
    const keyHash = orderingKey === undefined ? undefined : orderingKeyHash(orderingKey);
    this.#sendingIds.add(id);
    this.sending.push(sending);
    this.#appendOrSchedule(sending.answer, { id, tag, keyHash } as MessageRef, delayMs, deliverAt, false);
  }

  #appendOrSchedule(
    answer: AppendedMessage,
    ref: MessageRef,
    delayMs: number | undefined,
    deliverAt: number | undefined,
    stored: boolean,
  ): void {
    const { now } = this.ground;
    if (isDue({ delayMs, deliverAt }, now)) return this.plan.append(answer, ref);
    const dueAt = dueTime({ delayMs, deliverAt }, now);
    answer.deliverAt = dueAt;
    this.plan.require(answer.topic);
    this.scheduled.push({ topic: answer.topic, ref, dueAt, stored });
  }
}

interface Delayed {
  delayMs?: number | undefined;
  deliverAt?: number | undefined;
}

function dueTime({ delayMs, deliverAt }: Delayed, now: number): number {
  return deliverAt ?? now + (delayMs ?? 0);
}

/** Whether a message that is committed or sent now is visible at once. */
export function isDue(message: Delayed, now: number): boolean {
  return dueTime(message, now) <= now;
}

function resultOf({ id, state, resolvedBy, resolvedAt, messages }: LockedTransaction, repeated: boolean): AppendResult {
  return { transaction: { id, state, resolvedBy, resolvedAt }, messages, repeated };
}

function refused(slug: Problem['slug'], detail: string): () => Outcome<AppendResult> {
  return () => ({ problem: new Problem(slug, detail) });
}

function topicNotFound(topic: string): () => Outcome<AppendResult> {
  return refused('topic-not-found', `topic ${topic} does not exist`);
}
