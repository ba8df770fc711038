import type { StoredMessage } from '../../message/message.js';
import type { LogChunk } from '../../message/ref.js';
import type { ClaimedSubscription, FreeLease, LaneStore, RetryEntry, Settlement } from '../lane-store.js';
import type { Subscription } from '../subscription-store.js';
import { claimLeases } from './claim-leases.js';
import type { SqlDatabase } from './database.js';
import { listClaimable } from './list-claimable.js';
import { readBlockedKeys, type BlockedKey } from './read-blocked-keys.js';
import { readHeads } from './read-heads.js';
import { readLog } from './read-log.js';
import { readMessages } from './read-messages.js';
import { readDueRetries, readFirstOfKey, readGivenRetries, readNextRetryAt } from './read-retries.js';
import { releaseLease } from './release-lease.js';
import { settle } from './settle.js';

/** Leases, the shard log, cursors and retries on any SQL database. */
export class SqlLaneStore implements LaneStore {
  constructor(private readonly database: SqlDatabase) {}

  claimable(now: number, limit: number): Promise<Subscription[]> {
    return listClaimable(this.database, now, limit);
  }

  claim(leases: readonly FreeLease[], nodeId: string, now: number): Promise<(ClaimedSubscription | null)[]> {
    return claimLeases(this.database, { leases, nodeId, now });
  }

  release(topic: string, group: string, epoch: number): Promise<boolean> {
    return releaseLease(this.database, topic, group, epoch);
  }

  readLog(topic: string, shard: number, fromOffset: number, limit: number): Promise<LogChunk[]> {
    return readLog(this.database, topic, shard, fromOffset, limit);
  }

  readMessages(ids: string[]): Promise<Map<string, StoredMessage>> {
    return readMessages(this.database, ids);
  }

  heads(topics: string[]): Promise<{ topic: string; shard: number; nextOffset: number }[]> {
    return readHeads(this.database, topics);
  }

  dueRetries(topic: string, group: string, now: number, limit: number): Promise<RetryEntry[]> {
    return readDueRetries(this.database, topic, group, now, limit);
  }

  givenRetries(topic: string, group: string, limit: number): Promise<RetryEntry[]> {
    return readGivenRetries(this.database, topic, group, limit);
  }

  nextRetryAt(topic: string, group: string): Promise<number | null> {
    return readNextRetryAt(this.database, topic, group);
  }

  firstOfKey(topic: string, group: string, keyHash: string): Promise<RetryEntry | null> {
    return readFirstOfKey(this.database, topic, group, keyHash);
  }

  blockedKeys(
    topic: string,
    group: string,
    blockDead: boolean,
    after: string | undefined,
    limit: number,
  ): Promise<BlockedKey[]> {
    return readBlockedKeys(this.database, { topic, group, blockDead, after, limit });
  }

  settle(settlements: Settlement[]): Promise<('stored' | 'fenced')[]> {
    return settle(this.database, settlements);
  }
}
