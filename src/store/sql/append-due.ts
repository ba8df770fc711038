import { unpackRefs, type LogChunk, type MessageRef } from '../../message/ref.js';
import { reached } from '../../message/step.js';
import type { AppendedMessage } from '../half-store.js';
import {
  listPlaceholders,
  textOf,
  type SqlDatabase,
  type SqlRow,
  type SqlSession,
  type Statement,
} from './database.js';
import { deleteIds } from './delete-ids.js';
import { insertChunks } from './insert-chunks.js';
import { lockShards, ShardsChanged } from './lock-shards.js';
import { ShardPlan } from './shard-plan.js';
import type { TopicShards } from './topic-shards.js';

/** How often a call is tried while topics are being deleted and made anew. */
const racesMax = 4;

/** Messages of one UPDATE at most: the server looks for each row's offset from the first on. */
const rowsMax = 128;

interface Due {
  dueAt: number;
  answer: AppendedMessage;
  ref: MessageRef;
}

/** Moves messages whose time has come from the schedule to the log, oldest first; see `ScheduleStore.appendDue`. */
export async function appendDue(
  database: SqlDatabase,
  topics: TopicShards,
  turn: number,
  now: number,
  limit: number,
): Promise<LogChunk[]> {
  for (let race = 1; ; race += 1) {
    try {
      return await database.transaction((session) => appendDueBatch(database, session, topics, turn, now, limit));
    } catch (error) {
      if (!(error instanceof ShardsChanged) || race === racesMax) throw error;
      for (const topic of error.topics) topics.forget(topic);
    }
  }
}

async function appendDueBatch(
  database: SqlDatabase,
  session: SqlSession,
  topics: TopicShards,
  turn: number,
  now: number,
  limit: number,
): Promise<LogChunk[]> {
  const { dialect } = database;
  // Another node that reads the same rows waits here, and then finds them gone.
  const [found] = await session.run({
    sql: `SELECT due_at, message_id, topic, ref FROM halfbox_scheduled_message${dialect.byPrimaryKey} WHERE due_at <= ?
      ORDER BY due_at, message_id LIMIT ${Math.floor(limit)}${dialect.forUpdate}`,
    params: [now],
  });
  const all = (found?.rows ?? []).map(dueOf);
  if (all.length === 0) return [];
  reached('schedule.due-before-append');
  const shards = await topics.learn(
    session,
    all.map(({ answer }) => answer.topic),
  );
  // A topic that is gone takes its messages with it: without the schedule, its removal would not find them.
  const gone = all.filter(({ answer }) => !shards.has(answer.topic));
  const due = all.filter(({ answer }) => shards.has(answer.topic));
  const plan = new ShardPlan(shards, turn);
  for (const { answer, ref } of due) plan.append(answer, ref);
  const chunks = due.length > 0 ? plan.number(await lockShards(session, dialect, plan.wanted, shards), now) : [];
  await session.finish(
    ...insertChunks(database, chunks),
    ...chunks.flatMap(placeMessages),
    ...deleteIds(
      'halfbox_message',
      gone.map(({ ref }) => ref.id),
    ),
    ...deleteScheduled(all),
  );
  return chunks;
}

function dueOf(row: SqlRow): Due {
  const [ref] = unpackRefs(textOf(row['ref']));
  if (!ref) throw new Error(`halfbox_scheduled_message holds no ref for ${textOf(row['message_id'])}`);
  return { dueAt: Number(row['due_at']), answer: { id: ref.id, topic: textOf(row['topic']) }, ref };
}

/** Writes into the messages' own rows where they lie. */
function placeMessages({ shard, firstOffset, refs }: LogChunk): Statement[] {
  const statements: Statement[] = [];
  for (let start = 0; start < refs.length; start += rowsMax) {
    const some = refs.slice(start, start + rowsMax);
    const offsets = some.flatMap(({ id }, index) => [id, firstOffset + start + index]);
    statements.push({
      sql: `UPDATE halfbox_message SET shard = ?, log_offset = CASE id ${'WHEN ? THEN ? '.repeat(some.length)}END
        WHERE id IN (${listPlaceholders(some.length)})`,
      params: [shard, ...offsets, ...some.map(({ id }) => id)],
    });
  }
  return statements;
}

function deleteScheduled(due: Due[]): Statement[] {
  const statements: Statement[] = [];
  for (let start = 0; start < due.length; start += rowsMax) {
    const some = due.slice(start, start + rowsMax);
    // In the order of the key, so that the range holds hardly more than the rows that are named.
    statements.push({
      sql: `DELETE FROM halfbox_scheduled_message WHERE due_at BETWEEN ? AND ?
        AND message_id IN (${listPlaceholders(some.length)})`,
      params: [some[0]!.dueAt, some.at(-1)!.dueAt, ...some.map(({ ref }) => ref.id)],
    });
  }
  return statements;
}
