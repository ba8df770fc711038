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

interface KeyPage {
  topic: string;
  group: string;
  after: string | undefined;
  limit: number;
}

/**
 * Ordering keys with entries in the retry store (and, with `blockDead`, in the dead letters), each with its lowest
 * offset, by key hash after `after`.
 */
export async function readBlockedKeys(
  database: SqlDatabase,
  page: KeyPage & { blockDead: boolean },
): Promise<BlockedKey[]> {
  const statements = [lowestRetriesOfKeys(page)];
  if (page.blockDead) statements.push(lowestOfKeys('halfbox_dead_letter', page));
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

/** A key has one shard, so that its lowest entry is the first of its place in the index (topic, group, key, shard, offset). */
function lowestOfKeys(table: 'halfbox_retry' | 'halfbox_dead_letter', page: KeyPage): Statement {
  return {
    sql: `SELECT key_hash, shard, MIN(log_offset) AS log_offset FROM ${table}
      WHERE topic = ? AND consumer_group = ? AND key_hash > ? GROUP BY key_hash, shard ORDER BY key_hash, shard LIMIT ?`,
    params: [page.topic, page.group, page.after ?? '', page.limit],
  };
}

function lowestRetriesOfKeys(page: KeyPage): Statement {
  const { sql, params = [] } = lowestOfKeys('halfbox_retry', page);
  return {
    sql: `SELECT lowest.key_hash, lowest.shard, lowest.log_offset, (
        SELECT entry.state FROM halfbox_retry entry WHERE entry.topic = ? AND entry.consumer_group = ?
          AND entry.shard = lowest.shard AND entry.log_offset = lowest.log_offset) AS state
      FROM (${sql}) lowest`,
    params: [page.topic, page.group, ...params],
  };
}
