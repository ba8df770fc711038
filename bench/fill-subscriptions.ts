import { runSql } from './database.js';
import type { Rig } from './rig.js';

/** Columns of a subscription and of its lanes that copies share with what the broker wrote. */
const subscriptionColumns =
  'config, secrets, paused, paused_reason, generation, epoch, owner, created_at, changed_at, expires_after_idle_ms, idle_until, removing';
const laneColumns = 'shard, epoch, settled_offset, settled_above, given';

/**
 * Gives every topic that has the subscription `group-0` the subscriptions `group-1` to `group-<count - 1>` beside it, whose rows
 * are copies of what the broker wrote for that one: 100,000 calls would take minutes. No broker may be running.
 * @param count 2 to 1,000
 */
export async function copySubscriptions(rig: Rig, count: number): Promise<void> {
  for (const [table, columns] of [
    ['halfbox_subscription', subscriptionColumns],
    ['halfbox_lane', laneColumns],
  ] as const) {
    await runSql(
      rig.storeUrl,
      `INSERT INTO ${table} (topic, consumer_group, ${columns})
        WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)
        SELECT topic, CONCAT('group-', n), ${columns} FROM ${table} CROSS JOIN number WHERE consumer_group = 'group-0'`,
      [count - 1],
    );
  }
}

/** How many subscriptions no broker has. */
export async function freeSubscriptions(rig: Rig): Promise<number> {
  const sql = 'SELECT COUNT(*) AS free FROM halfbox_subscription WHERE owner IS NULL';
  const [row] = await runSql<{ free: number }>(rig.storeUrl, sql);
  return row!.free;
}
