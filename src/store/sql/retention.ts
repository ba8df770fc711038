import type { RetentionStore } from '../retention-store.js';
import type { SqlDatabase } from './database.js';
import { listPurgeableShards } from './list-purgeable-shards.js';
import { purgeDeadLetters } from './purge-dead-letters.js';
import { purgeKept } from './purge-kept.js';
import { purgeLog } from './purge-log.js';
import { purgeParked, purgeResolved } from './purge-transactions.js';

/** Retention on any SQL database. */
export class SqlRetentionStore implements RetentionStore {
  constructor(private readonly database: SqlDatabase) {}

  purgeResolved(now: number, limit: number): Promise<number> {
    return purgeResolved(this.database, now, limit);
  }

  purgeParked(before: number, limit: number): Promise<number> {
    return purgeParked(this.database, before, limit);
  }

  purgeDeadLetters(before: number, limit: number): Promise<number> {
    return purgeDeadLetters(this.database, before, limit);
  }

  purgeLog(topic: string, shard: number, now: number, limit: number): Promise<number> {
    return purgeLog(this.database, topic, shard, now, limit);
  }

  purgeKept(now: number, limit: number): Promise<number> {
    return purgeKept(this.database, now, limit);
  }

  purgeableShards(
    now: number,
    after: { topic: string; shard: number } | undefined,
    limit: number,
  ): Promise<{ topic: string; shard: number }[]> {
    return listPurgeableShards(this.database, now, after, limit);
  }
}
