import type { NodeRow } from '../node-store.js';
import { textOf, type SqlDatabase } from './database.js';

/** Nodes whose lease has not ended at `now`, by id, with how many subscriptions each owns. */
export async function listLiveNodes(
  database: SqlDatabase,
  now: number,
): Promise<(NodeRow & { subscriptions: number })[]> {
  const [found] = await database.read({
    sql: `SELECT id, url, version, started_at, expires_at,
        (SELECT COUNT(*) FROM halfbox_subscription WHERE owner = halfbox_node.id AND removing = 0) AS subscriptions
      FROM halfbox_node WHERE expires_at > ? ORDER BY id`,
    params: [now],
  });
  return (found?.rows ?? []).map((row) => ({
    id: textOf(row['id']),
    url: textOf(row['url']),
    version: textOf(row['version']),
    startedAt: Number(row['started_at']),
    expiresAt: Number(row['expires_at']),
    subscriptions: Number(row['subscriptions']),
  }));
}
