import type { DeadLetterSelection } from '../dead-letter-store.js';
import type { LaneCursor } from '../lane-store.js';
import { textOf, type SqlDatabase, type SqlRow, type SqlSession, type SqlValue } from './database.js';
import { deleteIds } from './delete-ids.js';
import { laneColumns, laneCursorOf } from './lane-row.js';
import { lockDeadLetters, markChanged, nameOf, type SubscriptionName } from './lock-dead-letters.js';
import { MultiRowInsert } from './multi-row-insert.js';
import { retryColumns, retryStateCode } from './retry-row.js';

/**
 * Moves dead letters back to the retry store in one database transaction: due at `now`, attempts counted afresh.
 *
 * A delivery has one place at a time. Where the same offset is in the retry store (after a seek), that entry stays as it
 * is; where the lane has not settled the offset (a seek went below it), the log gives it out anyway. In both cases the
 * dead letter only goes. Lanes need no lock: the subscription's keeps seeks out, and an owner only settles more.
 */
export function redrive(
  database: SqlDatabase,
  selection: DeadLetterSelection,
  now: number,
  limit: number,
): Promise<{ count: number; subscriptions: SubscriptionName[] }> {
  return database.transaction(async (session) => {
    const { rows, subscriptions } = await lockDeadLetters(database, session, selection, limit);
    if (rows.length === 0) return { count: 0, subscriptions: [] };
    const isSettled = await settledOffsets(session, subscriptions);
    const retries = new MultiRowInsert(
      'halfbox_retry',
      `topic, consumer_group, ${retryColumns}`,
      database.statementBytesMax,
      database.dialect.onConflictKeep(['topic', 'consumer_group', 'shard', 'log_offset']),
    );
    for (const row of rows) if (isSettled(row)) retries.row(0).push(...retryOf(row, now));
    const ids = rows.map((row) => textOf(row['id']));
    await session.finish(
      ...retries.statements(),
      ...deleteIds('halfbox_dead_letter', ids),
      ...markChanged(subscriptions, now),
    );
    return { count: rows.length, subscriptions };
  });
}

function retryOf(row: SqlRow, now: number): SqlValue[] {
  return [
    textOf(row['topic']),
    textOf(row['consumer_group']),
    Number(row['shard']),
    Number(row['log_offset']),
    textOf(row['message_id']),
    row['tag'] === null ? null : textOf(row['tag']),
    row['key_hash'] === null ? null : textOf(row['key_hash']),
    retryStateCode.due,
    0,
    now,
    null,
    null,
  ];
}

/** Answers whether a dead letter's offset is settled in its lane. */
async function settledOffsets(
  session: SqlSession,
  subscriptions: SubscriptionName[],
): Promise<(row: SqlRow) => boolean> {
  const lanes = new Map<string, LaneCursor>();
  const found = await session.run(
    ...subscriptions.map(({ topic, group }) => ({
      sql: `SELECT ${laneColumns} FROM halfbox_lane WHERE topic = ? AND consumer_group = ?`,
      params: [topic, group],
    })),
  );
  subscriptions.forEach(({ topic, group }, index) => {
    for (const lane of (found[index]?.rows ?? []).map(laneCursorOf)) lanes.set(`${topic}/${group}/${lane.shard}`, lane);
  });
  return (row) => {
    const { topic, group } = nameOf(row);
    const lane = lanes.get(`${topic}/${group}/${Number(row['shard'])}`);
    const offset = Number(row['log_offset']);
    if (!lane || offset < lane.settledOffset) return true;
    return lane.settledAbove.some(([from, to]) => from <= offset && offset < to);
  };
}
