/** Deletes what is old, a small batch at a time, so that other statements do not wait. Each call is one short database transaction. */
export interface RetentionStore {
  /** Deletes resolved transactions whose time is over, and the messages of the rolled-back ones. Answers how many transactions. */
  purgeResolved(now: number, limit: number): Promise<number>;
  /** Counts and deletes parked transactions parked before `before`, with their messages. */
  purgeParked(before: number, limit: number): Promise<number>;
  /** Counts and deletes dead letters that died before `before`. */
  purgeDeadLetters(before: number, limit: number): Promise<number>;
  /**
   * Removes whole chunks from the start of one shard that are older than the topic's retention and settled by every
   * subscription, raises the first offset in the same database transaction, and deletes the messages that nothing else
   * names. Answers how many messages left the log.
   */
  purgeLog(topic: string, shard: number, now: number, limit: number): Promise<number>;
  /** Shards that may have something to purge: their first chunk is older than the retention. Paged. */
  purgeableShards(
    now: number,
    after: { topic: string; shard: number } | undefined,
    limit: number,
  ): Promise<{ topic: string; shard: number }[]>;
}
