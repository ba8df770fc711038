import type { CheckAttempt } from '../message/transaction.js';

/** A silent transaction that this node may ask about until `claimedUntil`. */
export interface ClaimedCheck {
  transactionId: string;
  producer: string;
  /** As it was when it was claimed; a parked one is claimed by `claimOne` only. */
  state: 'prepared' | 'parked';
  /** Fences what is stored about this check. */
  claimToken: string;
  /** The number of this ask, from 1: one more than the asks that were recorded. A postponed claim counts none. */
  attempt: number;
  /** Answered checks so far. */
  answered: number;
  preparedAt: number;
  /** The producer's process that prepared it, where it said so. */
  instance?: string;
  /** Its messages, in order. Their bodies are read just before the ask, through `LaneStore.readMessages`. */
  messageIds: string[];
}

export interface CheckStore {
  /**
   * Claims prepared transactions whose check is due, oldest first; two nodes never hold the same one.
   * A claim that is not finished lapses after `leaseMs` and the transaction is due again.
   */
  claimDue(now: number, leaseMs: number, limit: number): Promise<ClaimedCheck[]>;
  /** Claims one transaction, due or not, prepared or parked; null when it is final, unknown or claimed by another node. */
  claimOne(transactionId: string, now: number, leaseMs: number): Promise<ClaimedCheck | null>;
  /**
   * Stores how an ask ended, counts it as answered where it was, gives the claim back, and sets when the next ask is due,
   * or parks the transaction (one that is parked stays as it is). Fenced by the claim's token: false when the claim was
   * lost (nothing is changed then), or when the transaction was resolved meanwhile (only its history is changed then).
   * Keeps the last `historyMax` attempts.
   */
  record(
    check: ClaimedCheck,
    attempt: CheckAttempt,
    next: { dueAt: number } | { park: true },
    historyMax: number,
  ): Promise<boolean>;
  /** Moves claimed transactions to a later check without counting an ask (a producer that is backed off). Fenced like `record`. */
  postpone(checks: ClaimedCheck[], dueAt: number): Promise<void>;
  /**
   * Makes checks of a producer due at `now` that are due later, but not after `dueBefore`, because the producer could not
   * be asked: past their first check, and their last ask, if there was one, without an answer. Looks at the earliest
   * `limit` that were ever unanswered, and answers how many are due now. Claimed ones are left alone.
   */
  makeDue(producer: string, now: number, dueBefore: number, limit: number): Promise<number>;
}
