import type { Prepare, PreparedTransaction, ResolvedTransaction } from '../contract.js';

/** The three calls of a transactional message. Implementations retry by the same id and may gather concurrent calls. */
export interface TransactionCalls {
  /** Rejects with `SendFailed` (`mayBeStored` says whether it may have been prepared) or `BrokerRefused`. */
  prepare(transaction: Prepare & { id: string }): Promise<PreparedTransaction>;
  /** Rejects with `SendFailed` when it is not known to be committed; check-back finds out then. */
  commit(transactionId: string): Promise<ResolvedTransaction>;
  rollback(transactionId: string): Promise<ResolvedTransaction>;
}
