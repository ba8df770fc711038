import type { DeadLetterSelection } from '../dead-letter-store.js';
import {
  listPlaceholders,
  textOf,
  type SqlDatabase,
  type SqlRow,
  type SqlSession,
  type Statement,
} from './database.js';

export interface SubscriptionName {
  topic: string;
  group: string;
}

/** Dead letters that are locked, with their subscriptions, until the end of the database transaction. */
export interface LockedDeadLetters {
  rows: SqlRow[];
  subscriptions: SubscriptionName[];
}

/**
 * Locks the dead letters of a selection, up to `limit`. Their subscriptions are locked first, in key order, as a seek or
 * a removal does it; a subscription that is being removed is left to its removal.
 */
export async function lockDeadLetters(
  database: SqlDatabase,
  session: SqlSession,
  selection: DeadLetterSelection,
  limit: number,
): Promise<LockedDeadLetters> {
  const { forUpdate } = database.dialect;
  const names = 'ids' in selection ? await subscriptionsOf(session, selection.ids) : [selection];
  const subscriptions: SubscriptionName[] = [];
  for (const { topic, group } of names) {
    const [locked] = await session.run({
      sql: `SELECT 1 FROM halfbox_subscription WHERE topic = ? AND consumer_group = ? AND removing = 0${forUpdate}`,
      params: [topic, group],
    });
    if (locked?.rows.length) subscriptions.push({ topic, group });
  }
  if (subscriptions.length === 0) return { rows: [], subscriptions: [] };
  const [found] = await session.run(select(selection, limit, forUpdate));
  const isLocked = new Set(subscriptions.map(keyOf));
  const rows = (found?.rows ?? []).filter((row) => isLocked.has(keyOf(nameOf(row))));
  const used = new Set(rows.map((row) => keyOf(nameOf(row))));
  return { rows, subscriptions: subscriptions.filter((name) => used.has(keyOf(name))) };
}

/** Tells the owners of these subscriptions, by their rows, that they should look again. */
export function markChanged(subscriptions: SubscriptionName[], now: number): Statement[] {
  return subscriptions.map(({ topic, group }) => ({
    sql: 'UPDATE halfbox_subscription SET changed_at = ? WHERE topic = ? AND consumer_group = ?',
    params: [now, topic, group],
  }));
}

export function nameOf(row: SqlRow): SubscriptionName {
  return { topic: textOf(row['topic']), group: textOf(row['consumer_group']) };
}

function keyOf({ topic, group }: SubscriptionName): string {
  return `${topic}/${group}`;
}

async function subscriptionsOf(session: SqlSession, ids: string[]): Promise<SubscriptionName[]> {
  if (ids.length === 0) return [];
  const [found] = await session.run({
    sql: `SELECT DISTINCT topic, consumer_group FROM halfbox_dead_letter WHERE id IN (${listPlaceholders(ids.length)})`,
    params: ids,
  });
  return (found?.rows ?? []).map(nameOf).sort((a, b) => {
    if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
    return a.group < b.group ? -1 : 1;
  });
}

function select(selection: DeadLetterSelection, limit: number, forUpdate: string): Statement {
  const columns = 'id, topic, consumer_group, shard, log_offset, message_id, tag, key_hash';
  if ('ids' in selection) {
    return {
      sql: `SELECT ${columns} FROM halfbox_dead_letter WHERE id IN (${listPlaceholders(selection.ids.length)})
        ORDER BY id LIMIT ?${forUpdate}`,
      params: [...selection.ids, limit],
    };
  }
  return {
    sql: `SELECT ${columns} FROM halfbox_dead_letter WHERE topic = ? AND consumer_group = ?
      ORDER BY id LIMIT ?${forUpdate}`,
    params: [selection.topic, selection.group, limit],
  };
}
