/** The states of a transaction (design: `committed` and `rolled_back` are final). */
export type TransactionState = 'prepared' | 'committed' | 'rolled_back' | 'parked';

export type Resolution = 'commit' | 'rollback';

/** Who resolved a transaction. */
export type Resolver = 'client' | 'check' | 'operator';

/** What resolving does in each state: the next state, `same` for a repeat that is answered like the first, or `conflict`. */
export const resolutionTable: Record<TransactionState, Record<Resolution, TransactionState | 'same' | 'conflict'>> = {
  prepared: { commit: 'committed', rollback: 'rolled_back' },
  parked: { commit: 'committed', rollback: 'rolled_back' },
  committed: { commit: 'same', rollback: 'conflict' },
  rolled_back: { commit: 'conflict', rollback: 'same' },
};

/** How one check-back ended. The first three are answers; the others are not and do not count against `checkMax`. */
export type CheckOutcome = 'commit' | 'rollback' | 'unknown' | 'unreachable' | 'timeout' | 'invalid';

/** One ask of a producer how its transaction ended. */
export interface CheckAttempt {
  /** Counts every ask of the transaction, from 1. */
  attempt: number;
  at: number;
  outcome: CheckOutcome;
  latencyMs: number;
  error?: string;
}
