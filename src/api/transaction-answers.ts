import { isoTime, messageJson } from '../message/message-json.js';
import type { Placement } from '../message/message.js';
import type { Problem } from '../message/problem.js';
import type { AppendResult, PreparedTransaction } from '../store/half-store.js';
import type { TransactionView } from '../store/lookup-store.js';
import type { Durability } from '../store/message-store.js';
import { problemJson } from './problem-json.js';

export function preparedAnswer({ id, state, firstCheckAt, messages }: PreparedTransaction) {
  return {
    id,
    state,
    firstCheckAt: isoTime(firstCheckAt),
    messages: messages.map((message) => ({ id: message.id, topic: message.topic })),
  };
}

/** Where a message went. */
export function placeAnswer(message: { id: string; topic: string; placement?: Placement; deliverAt?: number }) {
  const { id, topic, placement, deliverAt } = message;
  if (placement) return { id, topic, shard: placement.shard, offset: placement.offset };
  return deliverAt === undefined ? { id, topic } : { id, topic, deliverAt: isoTime(deliverAt) };
}

export function resolvedAnswer({ transaction, messages }: AppendResult, durability: Durability) {
  if (!transaction) throw new Error('a resolution was answered without its transaction');
  const { id, state, resolvedBy } = transaction;
  return { id, state, resolvedBy, messages: messages.map(placeAnswer), durability };
}

/** A bad item of a batch. */
export function failedItemAnswer(problem: Problem, id: unknown) {
  return typeof id === 'string' ? { id, problem: problemJson(problem) } : { problem: problemJson(problem) };
}

export function transactionAnswer(view: Omit<TransactionView, 'checks'>) {
  const answer: Record<string, unknown> = {
    id: view.id,
    producer: view.producer,
    ...(view.instance !== undefined && { instance: view.instance }),
    state: view.state,
    preparedAt: isoTime(view.preparedAt),
    firstCheckAt: isoTime(view.firstCheckAt),
  };
  if (view.nextCheckAt !== undefined) answer.nextCheckAt = isoTime(view.nextCheckAt);
  if (view.resolvedAt !== undefined) answer.resolvedAt = isoTime(view.resolvedAt);
  if (view.resolvedBy !== undefined) answer.resolvedBy = view.resolvedBy;
  if (view.reason !== undefined) answer.reason = view.reason;
  answer.messages = view.messages.map((message) => ({
    ...(message.stored ? messageJson(message.stored) : {}),
    ...placeAnswer(message),
  }));
  return answer;
}

export function transactionWithChecksAnswer(view: TransactionView) {
  const checks = view.checks.map((check) => ({ ...check, at: isoTime(check.at) }));
  return { ...transactionAnswer(view), checks };
}
