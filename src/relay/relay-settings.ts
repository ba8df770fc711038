/** Bounds and intervals of the relay on one node. */
export interface RelaySettings {
  /** Log entries that a lane reads ahead, at most; also the size of one read. */
  windowMax: number;
  /** As many, where no consumer asks for more, or the node has read enough ahead. */
  windowMin: number;
  /** Messages that all subscriptions of a node read ahead; beyond half of them only those read that are asked, beyond all `windowMin` at a time. */
  readAheadMax: number;
  /** While they are that many: how long what was read is kept for a consumer that asks no more, and since a claim. */
  readAheadKeptMs: number;
  /** Messages of a lane that wait in memory behind busy ordering keys; further ones wait in the retry store. */
  heldBackMax: number;
  /** Runs of settled offsets that a lane keeps; beyond it, messages behind busy keys wait in the retry store too. */
  settledRunsMax: number;
  /** A lane whose keys make progress stops reading at `heldBackMax` for this long before it moves messages to the retry store. */
  spillAfterMs: number;
  /** Busy ordering keys of a subscription in memory; beyond it nothing more is read until some are settled. */
  busyKeysMax: number;
  /** Due retries that are held in memory. */
  dueRetriesMax: number;
  /** Unsettled tries of earlier owners that are taken over. */
  inheritedMax: number;
  /** Changes that one write of a subscription carries, at most (a single larger call goes alone). */
  flushEntriesMax: number;
  /** Subscriptions whose changes share one database transaction, at most. */
  flushSubscriptionsMax: number;
  /** Such database transactions under way at once. */
  flushConcurrency: number;
  /** How long a cursor that moved over filtered messages may stay unwritten. */
  flushIntervalMs: number;
  /** How long a node's lease lasts after a renewal. */
  leaseMs: number;
  /** How often a node renews its lease and looks for subscriptions to take or to give back. */
  renewMs: number;
  /** Subscriptions that are looked at in one such round before the next starts at once. */
  claimBatch: number;
  /** Subscriptions that are claimed in one database transaction. */
  claimTogetherMax: number;
  /** Such transactions, takeovers that follow each of them, and subscriptions that are given back, under way at once. */
  claimConcurrency: number;
  /** How often grown shards are looked for while this node is alone, or where a wake channel tells of them. */
  headsIntervalMs: number;
  /** The same, with several live nodes and no wake channel. */
  headsIntervalSharedMs: number;
  /** Topics that one such statement names. */
  headsTopicsMax: number;
  /** How often changed subscriptions are looked for. */
  changesIntervalMs: number;
  /** Smallest wait between two looks for due retries, expired claims and the like. */
  tickMsMin: number;
  /** Bytes of message bodies kept in memory for the whole node. */
  recentBytesMax: number;
  /** How long a body may be kept in memory. */
  recentMs: number;
}

export const relayDefaults: RelaySettings = {
  windowMax: 1_000,
  windowMin: 100,
  readAheadMax: 100_000,
  readAheadKeptMs: 60_000,
  heldBackMax: 10_000,
  settledRunsMax: 2_000,
  spillAfterMs: 1_000,
  busyKeysMax: 1_000_000,
  dueRetriesMax: 500,
  inheritedMax: 100_000,
  flushEntriesMax: 2_000,
  flushSubscriptionsMax: 100,
  flushConcurrency: 2,
  flushIntervalMs: 200,
  leaseMs: 5_000,
  renewMs: 1_000,
  claimBatch: 500,
  claimTogetherMax: 50,
  claimConcurrency: 8,
  headsIntervalMs: 1_000,
  headsIntervalSharedMs: 250,
  headsTopicsMax: 1_000,
  changesIntervalMs: 1_000,
  tickMsMin: 50,
  recentBytesMax: 64 * 1024 * 1024,
  recentMs: 600_000,
};
