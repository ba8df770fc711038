/**
 * Deletes what is old, a small batch at a time, so that other statements do not wait: each database transaction deletes
 * about `limit` rows (500 is a good bound; a transaction's messages and a log chunk are not split). A purge answers 0 when
 * nothing is left (or another node is deleting it); it may answer less than `limit` while there is more.
 */
export interface RetentionStore {
  /** Deletes resolved transactions whose time is over, and the messages of the rolled-back ones. Answers how many transactions. */
  purgeResolved(now: number, limit: number): Promise<number>;
  /** Counts and deletes parked transactions parked before `before`, with their messages. */
  purgeParked(before: number, limit: number): Promise<number>;
  /** Counts and deletes dead letters that died before `before`. */
  purgeDeadLetters(before: number, limit: number): Promise<number>;
  /**
   * Removes whole chunks from the start of one shard that are older than the topic's retention and settled by every
   * subscription: raises the first offset, then deletes the chunks below it and their messages. Messages that a retry or
   * a dead letter names stay; see {@link purgeKept}. Answers how many messages left the log.
   */
  purgeLog(topic: string, shard: number, now: number, limit: number): Promise<number>;
  /**
   * Looks again at messages that outlived their chunk because a retry or a dead letter named them, and deletes those that
   * nothing names any more. Each is looked at once an hour. Answers how many were looked at.
   */
  purgeKept(now: number, limit: number): Promise<number>;
  /** Shards that may have something to purge: their first chunk is older than the retention. Paged. */
  purgeableShards(
    now: number,
    after: { topic: string; shard: number } | undefined,
    limit: number,
  ): Promise<{ topic: string; shard: number }[]>;
}
