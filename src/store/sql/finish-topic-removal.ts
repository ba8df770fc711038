import { unpackRefs } from '../../message/ref.js';
import { listPlaceholders, textOf, type SqlDatabase, type SqlSession, type Statement } from './database.js';
import { deleteIds } from './delete-ids.js';
import { removeSubscription } from './remove-subscription.js';

/** Rows deleted in one database transaction, about. */
const chunksMax = 50;
const messagesMax = 500;

export function selectRemovedTopic(name: string, lock = ''): Statement {
  return { sql: `SELECT name FROM halfbox_removed_topic WHERE name = ?${lock}`, params: [name] };
}

/**
 * Deletes what is left of a topic that was taken away: its subscriptions, its log with the messages, its delayed
 * messages. The mark goes last, and no topic of this name can be made before. False when there was nothing to finish.
 */
export async function finishTopicRemoval(database: SqlDatabase, name: string): Promise<boolean> {
  const [marked] = await database.read(selectRemovedTopic(name));
  if (!marked?.rows[0]) return false;
  const [subscriptions] = await database.read({
    sql: 'SELECT consumer_group FROM halfbox_subscription WHERE topic = ?',
    params: [name],
  });
  for (const row of subscriptions?.rows ?? []) {
    await removeSubscription(database, name, textOf(row['consumer_group']), 'forced');
  }
  while (await removeBatch(database, name));
  return true;
}

/** Answers whether there may be more. The mark's lock keeps the batch off a new topic of the same name. */
function removeBatch(database: SqlDatabase, name: string): Promise<boolean> {
  return database.transaction(async (session) => {
    const [marked] = await session.run(selectRemovedTopic(name, database.dialect.forUpdate));
    if (!marked?.rows[0]) return false;
    // A message goes with what names it: were its id free before, the message that is sent anew under it would go instead.
    const deletes = [
      ...(await chunkDeletes(session, name, database.dialect.forUpdate)),
      ...(await scheduledDeletes(session, name)),
    ];
    if (deletes.length === 0) deletes.push(...(await otherDeletes(session, name)));
    const isLast = deletes.length === 0;
    if (isLast) deletes.push({ sql: 'DELETE FROM halfbox_removed_topic WHERE name = ?', params: [name] });
    await session.finish(...deletes);
    return !isLast;
  });
}

/** The chunks' locks keep retention off: an id that is sent anew after it deleted the message must not be deleted here. */
async function chunkDeletes(session: SqlSession, name: string, lock: string): Promise<Statement[]> {
  const [chunks] = await session.run({
    sql: `SELECT shard, first_offset, refs FROM halfbox_shard_log WHERE topic = ? LIMIT ?${lock}`,
    params: [name, chunksMax],
  });
  const rows = chunks?.rows ?? [];
  return [
    ...rows.map((row) => ({
      sql: 'DELETE FROM halfbox_shard_log WHERE topic = ? AND shard = ? AND first_offset = ?',
      params: [name, Number(row['shard']), Number(row['first_offset'])],
    })),
    ...deleteIds(
      'halfbox_message',
      rows.flatMap((row) => unpackRefs(textOf(row['refs'])).map((ref) => ref.id)),
    ),
  ];
}

async function scheduledDeletes(session: SqlSession, name: string): Promise<Statement[]> {
  const [scheduled] = await session.run({
    sql: 'SELECT due_at, message_id FROM halfbox_scheduled_message WHERE topic = ? LIMIT ?',
    params: [name, messagesMax],
  });
  const rows = scheduled?.rows ?? [];
  return [
    ...rows.map((row) => ({
      sql: 'DELETE FROM halfbox_scheduled_message WHERE due_at = ? AND message_id = ?',
      params: [Number(row['due_at']), textOf(row['message_id'])],
    })),
    ...deleteIds(
      'halfbox_message',
      rows.map((row) => textOf(row['message_id'])),
    ),
  ];
}

/** Messages that neither the log nor the schedule names and no transaction holds: recalled ones, mostly. */
async function otherDeletes(session: SqlSession, name: string): Promise<Statement[]> {
  const [found] = await session.run({
    sql: `SELECT id FROM halfbox_message WHERE topic = ? AND (transaction_id IS NULL OR recalled_at IS NOT NULL) LIMIT ?`,
    params: [name, messagesMax],
  });
  const ids = (found?.rows ?? []).map((row) => textOf(row['id']));
  if (ids.length === 0) return [];
  const sql = `DELETE FROM halfbox_message WHERE id IN (${listPlaceholders(ids.length)}) AND topic = ?`;
  return [{ sql, params: [...ids, name] }];
}
