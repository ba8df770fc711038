/** How a local transaction ended, as its row says. */
export type Outcome = 'committed' | 'rolled_back';

/** The fence's table as the checks see it: on the primary, on connections that the application does not use. */
export interface FenceRows {
  /** The committed row of a transaction; undefined without one. */
  read(transactionId: string): Promise<Outcome | undefined>;
  /**
   * Writes `rolled_back` unless there is a row, and answers what the row then says, which is final. Rejects when a local
   * transaction that has written its row is still open, after waiting a second for its end.
   */
  settle(transactionId: string): Promise<Outcome>;
  /** Deletes up to `max` rows that are older than `keptMs`, by the database's clock; answers how many. */
  purge(keptMs: number, max: number): Promise<number>;
  /** Closes the connections. They are opened again when they are needed. */
  close(): Promise<void>;
}

/** How long a check waits for a lock. */
export const lockWaitMs = 1_000;
