/** Bounds and times of the check-back. Lengths of time are milliseconds. */
export interface CheckSettings {
  /** Between two checks of a transaction, where its producer says nothing. Default 30 s. */
  checkIntervalMs: number;
  /** Answered checks until a transaction is parked, where its producer says nothing. Default 15. */
  checkMax: number;
  /** A transaction older than this that is still open after a check is parked. Default 3 days. */
  checkAgeMaxMs: number;
  /** Bound of one ask. Default 5 s. */
  checkTimeoutMs: number;
  /** How often due checks are looked for. Default 500 ms. */
  pollMs: number;
  /** How long a claim holds; after a crash its transactions are due again. Default 30 s. */
  leaseMs: number;
  /** Transactions that one claim takes. Default 100. */
  claimMax: number;
  /** Asks under way over all producers, on this node. Default 128. */
  asksMax: number;
  /** Asks under way of one producer, on this node. Default 8. */
  asksPerProducerMax: number;
  /** Claimed transactions of one producer that wait for a free ask in memory; more are postponed. Default 64. */
  waitingPerProducerMax: number;
  /** Callers of `checkNow` at once. Default 32. */
  checkNowMax: number;
  /** Attempts kept of a transaction's history. Default 100. */
  historyMax: number;
  /** First back-off of a producer that gave no answer; doubles with each failure. Default 1 s. */
  backoffMs: number;
  /**
   * Bound of the back-off. Default 55 s: with the poll and the first ask before the others, every transaction is asked
   * within 60 s after its producer has come back.
   */
  backoffMsMax: number;
  /** Checks of a producer that are made due at most, when there is somebody new to ask. Default 1,000. */
  reviveMax: number;
  /** How long a producer's row is used before it is read again. Default 5 s. */
  producerCacheMs: number;
}

export const defaultCheckSettings: CheckSettings = {
  checkIntervalMs: 30_000,
  checkMax: 15,
  checkAgeMaxMs: 3 * 24 * 3_600_000,
  checkTimeoutMs: 5_000,
  pollMs: 500,
  leaseMs: 30_000,
  claimMax: 100,
  asksMax: 128,
  asksPerProducerMax: 8,
  waitingPerProducerMax: 64,
  checkNowMax: 32,
  historyMax: 100,
  backoffMs: 1_000,
  backoffMsMax: 55_000,
  reviveMax: 1_000,
  producerCacheMs: 5_000,
};
