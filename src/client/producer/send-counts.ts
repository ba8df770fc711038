/** What a producer has done since it was made. One kind of calls: sends, or transaction calls. */
export interface SendCounts {
  /** Messages (or transaction calls) that were stored. */
  done: number;
  /** Those that the broker refused. */
  refused: number;
  /** Those that failed after all tries, or found no room. */
  failed: number;
  /** Tries after a first one, by message or transaction call. */
  retries: number;
  /** Gathered calls. */
  batches: number;
  /** Messages or transaction calls in them; divided by `batches` it is the mean size. */
  batchedItems: number;
  /** Largest gathered call. */
  largestBatch: number;
  /** Waiting or under way now. */
  waitingItems: number;
  waitingBytes: number;
}

export const noCounts: SendCounts = {
  done: 0,
  refused: 0,
  failed: 0,
  retries: 0,
  batches: 0,
  batchedItems: 0,
  largestBatch: 0,
  waitingItems: 0,
  waitingBytes: 0,
};
