import { Problem } from '../../message/problem.js';
import { textOf, type SqlDatabase, type SqlRow, type SqlSession } from './database.js';
import { deleteIds } from './delete-ids.js';
import { deleteRetries } from './delete-retries.js';
import { laneColumns, laneCursorOf } from './lane-row.js';
import { selectSubscription } from './read-subscriptions.js';

/** Retries or dead letters deleted in one database transaction at most. */
const rowsMax = 500;

/** When a subscription may be removed: only if nothing in it is open, in any case, or if it is idle at a time. */
export type RemovalCondition = 'empty' | 'forced' | { idleAt: number };

/**
 * Removes a subscription. The first database transaction hides it, takes its lease away and deletes its lanes, so that
 * its owner is fenced; its retries and dead letters go in batches; its row goes last, so that what a crash leaves is
 * found and finished by the next removal, `put` or sweep of idle ones. False when there is none, or it is not idle.
 */
export async function removeSubscription(
  database: SqlDatabase,
  topic: string,
  group: string,
  condition: RemovalCondition,
): Promise<boolean> {
  const now = await database.now();
  const hidden = await database.transaction(async (session) => {
    const [found] = await session.run(selectSubscription(topic, group, database.dialect.forUpdate));
    const row = found?.rows[0];
    if (!row) return false;
    if (Number(row['removing']) === 1) return true;
    if (typeof condition === 'object' && !isIdle(row, condition.idleAt)) return false;
    if (condition === 'empty') await requireEmpty(database, session, topic, group);
    await session.finish(
      {
        sql: `UPDATE halfbox_subscription SET removing = 1, owner = NULL, epoch = epoch + 1, changed_at = ?, idle_until = 0
          WHERE topic = ? AND consumer_group = ?`,
        params: [now, topic, group],
      },
      { sql: 'DELETE FROM halfbox_lane WHERE topic = ? AND consumer_group = ?', params: [topic, group] },
    );
    return true;
  });
  if (hidden) await deleteRemoved(database, topic, group);
  return hidden;
}

/** Deletes what is left of a subscription that is being removed; nothing when it is not. */
export async function deleteRemoved(database: SqlDatabase, topic: string, group: string): Promise<void> {
  while (await deleteBatch(database, topic, group));
}

/** Answers whether there may be more. The row's lock keeps the batch off a new subscription of the same name. */
function deleteBatch(database: SqlDatabase, topic: string, group: string): Promise<boolean> {
  return database.transaction(async (session) => {
    const [found] = await session.run(selectSubscription(topic, group, database.dialect.forUpdate));
    if (Number(found?.rows[0]?.['removing']) !== 1) return false;
    const [retries, dead] = await session.run(
      {
        sql: 'SELECT shard, log_offset FROM halfbox_retry WHERE topic = ? AND consumer_group = ? LIMIT ?',
        params: [topic, group, rowsMax],
      },
      {
        sql: 'SELECT id FROM halfbox_dead_letter WHERE topic = ? AND consumer_group = ? LIMIT ?',
        params: [topic, group, rowsMax],
      },
    );
    const places = (retries?.rows ?? []).map((row) => ({
      shard: Number(row['shard']),
      offset: Number(row['log_offset']),
    }));
    const ids = (dead?.rows ?? []).map((row) => textOf(row['id']));
    const deletes = [...deleteRetries(topic, group, places), ...deleteIds('halfbox_dead_letter', ids)];
    if (deletes.length === 0) {
      deletes.push({
        sql: 'DELETE FROM halfbox_subscription WHERE topic = ? AND consumer_group = ?',
        params: [topic, group],
      });
    }
    await session.finish(...deletes);
    return places.length + ids.length > 0;
  });
}

function isIdle(row: SqlRow, at: number): boolean {
  return row['idle_until'] !== null && Number(row['idle_until']) <= at;
}

/** Refuses when anything is unsettled, retrying or dead; what it read stays locked until the removal is decided. */
export async function requireEmpty(
  database: SqlDatabase,
  session: SqlSession,
  topic: string,
  group: string,
): Promise<void> {
  const { byPrimaryKey, forUpdate } = database.dialect;
  const [lanes, shards, retries, dead] = await session.run(
    {
      sql: `SELECT ${laneColumns} FROM halfbox_lane${byPrimaryKey}
        WHERE topic = ? AND consumer_group = ? ORDER BY shard${forUpdate}`,
      params: [topic, group],
    },
    {
      sql: `SELECT shard, next_offset FROM halfbox_shard${byPrimaryKey} WHERE topic = ? ORDER BY shard${forUpdate}`,
      params: [topic],
    },
    { sql: 'SELECT 1 FROM halfbox_retry WHERE topic = ? AND consumer_group = ? LIMIT 1', params: [topic, group] },
    { sql: 'SELECT 1 FROM halfbox_dead_letter WHERE topic = ? AND consumer_group = ? LIMIT 1', params: [topic, group] },
  );
  const settled = new Map(
    (lanes?.rows ?? []).map(laneCursorOf).map((lane) => {
      const above = lane.settledAbove.reduce((all, [from, to]) => all + to - from, 0);
      return [lane.shard, lane.settledOffset + above];
    }),
  );
  const unsettled = (shards?.rows ?? []).some(
    (row) => Number(row['next_offset']) > (settled.get(Number(row['shard'])) ?? 0),
  );
  const open = [
    unsettled ? 'unsettled messages' : '',
    retries?.rows.length ? 'messages to retry' : '',
    dead?.rows.length ? 'dead letters' : '',
  ].filter((what) => what !== '');
  if (open.length > 0) {
    throw new Problem('not-empty', `the subscription ${topic}/${group} has ${open.join(' and ')}; force deletes them`);
  }
}
