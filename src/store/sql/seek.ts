import type { StartPosition } from '../../message/subscription.js';
import type { SqlDatabase } from './database.js';
import { selectSubscription } from './read-subscriptions.js';
import { lockStartOffsets, searchTime } from './start-offsets.js';

/**
 * Moves every lane of a subscription to the position, drops its retries, raises generation and epoch and takes the lease
 * away, in one database transaction. False when there is no such subscription.
 *
 * The lanes are fenced first, so that the owner adds no more retries; the shard rows, which commits wait for, are locked
 * last, after the retries are gone, however many there are.
 */
export async function seek(database: SqlDatabase, topic: string, group: string, to: StartPosition): Promise<boolean> {
  const now = await database.now();
  const searched = typeof to === 'object' ? await searchTime(database, topic, to.at) : undefined;
  return database.transaction(async (session) => {
    const [found] = await session.run(selectSubscription(topic, group, database.dialect.forUpdate));
    const row = found?.rows[0];
    if (!row || Number(row['removing']) === 1) return false;
    const epoch = Number(row['epoch']) + 1;
    await session.run(
      {
        sql: `UPDATE halfbox_lane${database.dialect.byPrimaryKey} SET epoch = ? WHERE topic = ? AND consumer_group = ?`,
        params: [epoch, topic, group],
      },
      { sql: 'DELETE FROM halfbox_retry WHERE topic = ? AND consumer_group = ?', params: [topic, group] },
    );
    const offsets = await lockStartOffsets(database, session, topic, to, searched);
    await session.finish(
      ...[...offsets].map(([shard, offset]) => ({
        sql: `UPDATE halfbox_lane SET settled_offset = ?, settled_above = '[]', given = '[]'
          WHERE topic = ? AND consumer_group = ? AND shard = ?`,
        params: [offset, topic, group, shard],
      })),
      {
        sql: `UPDATE halfbox_subscription SET generation = generation + 1, epoch = ?, owner = NULL, changed_at = ?
          WHERE topic = ? AND consumer_group = ?`,
        params: [epoch, now, topic, group],
      },
    );
    return true;
  });
}
