import type { Clock } from '../../message/clock.js';
import { Problem, type Outcome } from '../../message/problem.js';
import type { LogChunk } from '../../message/ref.js';
import type { AppendItem, AppendResult } from '../half-store.js';
import { AppendBatch } from './append-batch.js';
import type { SqlDatabase, SqlSession } from './database.js';
import { eachAlone, isUnavailable } from './each-alone.js';
import { insertChunks } from './insert-chunks.js';
import { MessageInsert } from './insert-messages.js';
import { insertScheduled } from './insert-scheduled.js';
import { lockedShards, lockShards, selectLockedShards, ShardsChanged } from './lock-shards.js';
import { lockedTransactions, selectTransactions } from './lock-transactions.js';
import type { PreparedHere } from './prepared-here.js';
import { readSent } from './read-sent.js';
import type { TopicShards } from './topic-shards.js';
import { updateResolved } from './update-resolved.js';

/** How often a batch, or one item, is tried when others change what it relies on while it is being written. */
const racesMax = 4;

export interface AppendCall {
  database: SqlDatabase;
  topics: TopicShards;
  preparedHere: PreparedHere;
  /** Number of the batch (see `ShardPlan`). */
  turn: number;
  clock: Clock;
  /** When the call began, epoch ms. */
  now: number;
  deleteAfterMs: number;
}

export interface Appended {
  outcomes: Outcome<AppendResult>[];
  chunks: LogChunk[];
}

/**
 * Resolves transactions and sends messages, as `HalfStore.append` says. A batch is one database transaction: lock
 * the transactions, lock the shards, write everything and commit. That is two round trips where this node prepared the
 * transactions, since it then knows the shards before it has read them, and three otherwise. Only when an id of a plain send is
 * stored already does a second try look first which ones are; when something else is wrong, every item goes alone.
 */
export async function appendItems(call: AppendCall, items: AppendItem[]): Promise<Appended> {
  if (items.length === 0) return { outcomes: [], chunks: [] };
  let appended: Appended & { deferred: number[] };
  try {
    appended = await appendTogether(call, items, false);
  } catch (error) {
    if (isUnavailable(error)) throw error;
    if (!call.database.isDuplicate(error)) return appendAlone(call, items);
    appended = await appendTogether(call, items, true).catch(async (again: unknown) => {
      if (isUnavailable(again)) throw again;
      return { ...(await appendAlone(call, items)), deferred: [] };
    });
  }
  const { outcomes, chunks, deferred } = appended;
  if (deferred.length === 0) return { outcomes, chunks };
  const later = await appendItems(
    call,
    deferred.map((index) => items[index]!),
  );
  deferred.forEach((index, position) => (outcomes[index] = later.outcomes[position]!));
  return { outcomes, chunks: [...chunks, ...later.chunks] };
}

async function appendAlone(call: AppendCall, items: AppendItem[]): Promise<Appended> {
  const chunks: LogChunk[] = [];
  const outcomes = await eachAlone(items, async (item) => {
    const appended = await appendOne(call, item);
    chunks.push(...appended.chunks);
    return appended.outcomes;
  });
  return { outcomes, chunks };
}

async function appendOne(call: AppendCall, item: AppendItem): Promise<Appended> {
  for (let race = 1; ; race += 1) {
    try {
      return await appendTogether(call, [item], true);
    } catch (error) {
      // Another writer stored the id after the look: the next look finds it.
      if (!call.database.isDuplicate(error) || race === racesMax) throw error;
    }
  }
}

async function appendTogether(
  call: AppendCall,
  items: AppendItem[],
  looksFirst: boolean,
): Promise<Appended & { deferred: number[] }> {
  for (let race = 1; ; race += 1) {
    try {
      return await call.database.transaction((session) => appendBatch(call, session, items, looksFirst));
    } catch (error) {
      if (!(error instanceof ShardsChanged)) throw error;
      if (race === racesMax) throw new Problem('unavailable', error.message, { retryAfterMs: 1_000, cause: error });
      for (const topic of error.topics) call.topics.forget(topic);
    }
  }
}

async function appendBatch(
  call: AppendCall,
  session: SqlSession,
  items: AppendItem[],
  looksFirst: boolean,
): Promise<Appended & { deferred: number[] }> {
  const { database, topics, turn, clock, now, deleteAfterMs } = call;
  const { dialect } = database;
  const transactionIds: string[] = [];
  const sentIds: string[] = [];
  const names = new Set<string>();
  for (const item of items) {
    if (item.kind !== 'send') transactionIds.push(item.transactionId);
    else {
      for (const { id, topic } of item.messages) {
        names.add(topic);
        if (looksFirst) sentIds.push(id);
      }
    }
  }
  const selects = selectTransactions(dialect, transactionIds);
  const expected = selects.length > 0 ? expectedShards(call, items) : null;
  const locks = await session.run(...selects, ...(expected ? selectLockedShards(dialect, expected) : []));
  const transactions = lockedTransactions(locks.slice(0, selects.length));
  const sent = await readSent(session, sentIds);
  for (const { refs } of transactions.values()) for (const { topic } of refs) names.add(topic);
  const shards = await topics.learn(session, names);

  const batch = new AppendBatch({ now, turn, transactions, sent, shards });
  for (const item of items) batch.add(item);
  const { plan, sending, scheduled, deferred } = batch;
  const resolved = [...batch.resolved];
  let chunks: LogChunk[] = [];
  if (resolved.length > 0 || sending.length > 0) {
    const { wanted } = plan;
    if (wanted.size > 0) {
      const locked =
        expected && covers(expected, wanted)
          ? lockedShards(locks.slice(selects.length), expected, shards)
          : await lockShards(session, dialect, wanted, shards);
      // Under the locks: a batch that waited for them is visible from now on, not from when it began.
      chunks = plan.number(locked, clock.now());
    }
    const messages = new MessageInsert(database.statementBytesMax, now);
    for (const { message, answer } of sending) {
      messages.add(message, { dueAt: answer.deliverAt, placement: answer.placement });
    }
    await session.finish(
      ...messages.statements(),
      ...insertChunks(database, chunks),
      ...updateResolved(dialect, resolved, deleteAfterMs),
      ...insertScheduled(database, scheduled),
    );
  }
  return { outcomes: batch.outcomes(), chunks, deferred };
}

function expectedShards({ topics, preparedHere, turn, now }: AppendCall, items: AppendItem[]) {
  return preparedHere.shardsFor(items, (topic) => topics.get(topic), turn, now);
}

function covers(locked: Map<string, Set<number>>, wanted: Map<string, Set<number>>): boolean {
  for (const [topic, shards] of wanted) {
    const ofTopic = locked.get(topic);
    for (const shard of shards) if (!ofTopic?.has(shard)) return false;
  }
  return true;
}
