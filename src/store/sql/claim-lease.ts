import type { ClaimedSubscription } from '../lane-store.js';
import type { SqlDatabase } from './database.js';
import { laneColumns, laneCursorOf } from './lane-row.js';
import { secretsOf, subscriptionColumns, subscriptionOf } from './subscription-row.js';

/**
 * Takes the lease of a subscription that is at `epoch` and free at `now`: nobody owns it, or its owner's node row is
 * missing or has ended. The epoch is raised in the subscription and in all its lanes in one database transaction, so
 * that a settlement of the old owner either came before (and is in the cursors answered here) or matches no lane.
 * Null when another was faster.
 */
export function claimLease(
  database: SqlDatabase,
  claim: { topic: string; group: string; epoch: number; nodeId: string; now: number },
): Promise<ClaimedSubscription | null> {
  const { topic, group, epoch, nodeId, now } = claim;
  return database.transaction(async (session) => {
    const [taken] = await session.run({
      sql: `UPDATE halfbox_subscription SET owner = ?, epoch = epoch + 1, changed_at = ?
        WHERE topic = ? AND consumer_group = ? AND epoch = ? AND removing = 0
          AND (owner IS NULL OR NOT EXISTS (
            SELECT 1 FROM halfbox_node n WHERE n.id = halfbox_subscription.owner AND n.expires_at > ?))`,
      params: [nodeId, now, topic, group, epoch, now],
    });
    if (taken?.affectedRows !== 1) return null;
    const [, lanes, subscriptions] = await session.finish(
      {
        sql: `UPDATE halfbox_lane${database.dialect.byPrimaryKey} SET epoch = ? WHERE topic = ? AND consumer_group = ?`,
        params: [epoch + 1, topic, group],
      },
      {
        sql: `SELECT ${laneColumns} FROM halfbox_lane WHERE topic = ? AND consumer_group = ? ORDER BY shard`,
        params: [topic, group],
      },
      {
        sql: `SELECT ${subscriptionColumns} FROM halfbox_subscription WHERE topic = ? AND consumer_group = ?`,
        params: [topic, group],
      },
    );
    const row = subscriptions?.rows[0];
    if (!row || !lanes) throw new Error(`the subscription ${topic}/${group} vanished under its own lock`);
    return { subscription: subscriptionOf(row), secrets: secretsOf(row), cursors: lanes.rows.map(laneCursorOf) };
  });
}
