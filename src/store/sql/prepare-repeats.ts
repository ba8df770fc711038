import { Problem, type Outcome } from '../../message/problem.js';
import type { StoredMessage } from '../../message/message.js';
import type { PreparedTransaction, PrepareItem } from '../half-store.js';
import { textOf, type SqlRow, type SqlSession } from './database.js';
import { messageColumns, storedMessageOf } from './message-row.js';
import { readInLists } from './read-in-lists.js';
import { isSameMessage } from './same-content.js';
import { transactionRefsOf, transactionStateOf, type TransactionRef } from './transaction-row.js';

/** A transaction that was there before, as far as a repeat is compared with it. */
interface Earlier {
  producer: string;
  refs: TransactionRef[];
  answer: PreparedTransaction;
}

/**
 * Answers the items whose transaction is stored, or occurs earlier in the batch, and refuses those that use another's
 * message id. What is left is new: its outcomes are there already and hold once `fresh` is inserted.
 */
export async function answerRepeats(
  session: SqlSession,
  items: PrepareItem[],
  preparedNow: (item: PrepareItem) => PreparedTransaction,
): Promise<{ outcomes: Outcome<PreparedTransaction>[]; fresh: PrepareItem[] }> {
  let earlier = await readEarlier(session, items);
  let messages = await readMessages(session, items, earlier);
  const storedBetween = items.some(({ transactionId, messages: ofItem }) => {
    return !earlier.has(transactionId) && ofItem.some(({ id }) => messages.get(id)?.transactionId === transactionId);
  });
  if (storedBetween) {
    // Another node's prepare of the same transaction was committed between the two reads.
    earlier = await readEarlier(session, items);
    messages = await readMessages(session, items, earlier);
  }
  const fresh: PrepareItem[] = [];
  const outcomes = items.map((item): Outcome<PreparedTransaction> => {
    const before = earlier.get(item.transactionId);
    if (before) {
      if (isSameTransaction(item, before, messages)) return { value: { ...before.answer, repeated: true } };
      return { problem: new Problem('id-reused', `transaction ${item.transactionId} exists with other content`) };
    }
    const taken = item.messages.find(({ id }) => messages.has(id));
    if (taken) return { problem: new Problem('id-reused', `message ${taken.id} exists already`) };
    const value = preparedNow(item);
    fresh.push(item);
    earlier.set(item.transactionId, { producer: item.producer, refs: item.messages, answer: value });
    for (const message of item.messages) messages.set(message.id, { ...message, storedAt: 0 });
    return { value };
  });
  return { outcomes, fresh };
}

async function readEarlier(session: SqlSession, items: PrepareItem[]): Promise<Map<string, Earlier>> {
  const ids = [...new Set(items.map(({ transactionId }) => transactionId))];
  const rows = await readInLists(
    (...statements) => session.run(...statements),
    ids,
    (list) => `SELECT id, producer, state, first_check_at, message_refs FROM halfbox_transaction WHERE id IN ${list}`,
  );
  return new Map(rows.map((row) => [textOf(row['id']), earlierOf(row)]));
}

function earlierOf(row: SqlRow): Earlier {
  const refs = transactionRefsOf(row);
  return {
    producer: textOf(row['producer']),
    refs,
    answer: {
      id: textOf(row['id']),
      state: transactionStateOf(row),
      firstCheckAt: Number(row['first_check_at']),
      messages: refs.map(({ id, topic }) => ({ id, topic })),
      repeated: true,
    },
  };
}

/** The stored messages of the earlier transactions, and those whose ids the items would use. */
async function readMessages(
  session: SqlSession,
  items: PrepareItem[],
  earlier: Map<string, Earlier>,
): Promise<Map<string, StoredMessage>> {
  const ids = new Set<string>();
  for (const { transactionId, messages } of items) {
    for (const { id } of earlier.get(transactionId)?.refs ?? messages) ids.add(id);
  }
  const rows = await readInLists(
    (...statements) => session.run(...statements),
    [...ids],
    (list) => `SELECT ${messageColumns} FROM halfbox_message WHERE id IN ${list}`,
  );
  return new Map(rows.map((row) => [textOf(row['id']), storedMessageOf(row)]));
}

function isSameTransaction(item: PrepareItem, before: Earlier, messages: Map<string, StoredMessage>): boolean {
  if (item.producer !== before.producer || item.messages.length !== before.refs.length) return false;
  return item.messages.every((message, index) => {
    const ref = before.refs[index]!;
    const stored = messages.get(ref.id);
    // Retention may have taken the body of a delivered message: then what the transaction's row still says is compared.
    if (!stored) return message.topic === ref.topic && (!message.idGiven || message.id === ref.id);
    return isSameMessage(message, stored);
  });
}
