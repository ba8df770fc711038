/** What other nodes should look at without waiting for their next poll. */
export interface Wake {
  /** Topics whose shards have grown. */
  topics: string[];
  /** Subscriptions whose row or retries were changed: configuration, pause, seek, redrive, discard, deletion. */
  subscriptions: { topic: string; group: string }[];
}

/**
 * Tells the other nodes of the same store that there is something to do. A hint only: it may be lost, doubled or late,
 * and everything it tells is also found by polling.
 */
export interface WakeChannel {
  /** Returns at once and never throws; what cannot be sent is dropped. At most 200 calls a second come from one node. */
  publish(wake: Wake): void;
  /** Calls `listener` for each wake of another node (its own may come back too). Answers how to stop that. */
  onWake(listener: (wake: Wake) => void): () => void;
}
