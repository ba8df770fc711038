import type { RetryState } from '../lane-store.js';
import { textOf, type SqlDatabase, type SqlRow, type Statement } from './database.js';
import { retryStateOf } from './retry-row.js';

/** An ordering key that waits, and the unsettled message that it waits for. */
export interface BlockedKey {
  keyHash: string;
  shard: number;
  offset: number;
  state: RetryState | 'dead';
}

/**
 * Ordering keys with entries in the retry store (and, with `blockDead`, in the dead letters), each with its lowest
 * offset, by key hash after `after`.
 */
export async function readBlockedKeys(
  database: SqlDatabase,
  page: { topic: string; group: string; blockDead: boolean; after: string | undefined; limit: number },
): Promise<BlockedKey[]> {
  const statements = [lowestOfKeys('halfbox_retry', ', entry.state', page)];
  if (page.blockDead) statements.push(lowestOfKeys('halfbox_dead_letter', '', page));
  const [retrying, dead] = await database.read(...statements);
  const lowest = new Map<string, BlockedKey>();
  const add = (row: SqlRow, state: BlockedKey['state']): void => {
    const blocked: BlockedKey = {
      keyHash: textOf(row['key_hash']),
      shard: Number(row['shard']),
      offset: Number(row['log_offset']),
      state,
    };
    const known = lowest.get(blocked.keyHash);
    if (!known || blocked.offset < known.offset) lowest.set(blocked.keyHash, blocked);
  };
  for (const row of retrying?.rows ?? []) add(row, retryStateOf(row['state']));
  for (const row of dead?.rows ?? []) add(row, 'dead');
  // Each source gave its first `limit` keys, so the first `limit` of both together are complete.
  return [...lowest.values()].sort((a, b) => (a.keyHash < b.keyHash ? -1 : 1)).slice(0, page.limit);
}

/** The grouping is answered from the index (topic, group, key, offset); the join adds the shard and the state, which it lacks. */
function lowestOfKeys(
  table: 'halfbox_retry' | 'halfbox_dead_letter',
  moreColumns: string,
  page: { topic: string; group: string; after: string | undefined; limit: number },
): Statement {
  return {
    sql: `SELECT lowest.key_hash, lowest.log_offset, entry.shard${moreColumns} FROM (
        SELECT key_hash, MIN(log_offset) AS log_offset FROM ${table}
        WHERE topic = ? AND consumer_group = ? AND key_hash > ? GROUP BY key_hash ORDER BY key_hash LIMIT ?) lowest
      JOIN ${table} entry ON entry.topic = ? AND entry.consumer_group = ?
        AND entry.key_hash = lowest.key_hash AND entry.log_offset = lowest.log_offset`,
    params: [page.topic, page.group, page.after ?? '', page.limit, page.topic, page.group],
  };
}
