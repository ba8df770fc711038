import type { Resolver, TransactionState } from '../message/transaction.js';

/** Told what the half stage does, a batch at a time, for metrics. Must not throw. */
export interface HalfObserver {
  /** A batch goes to the store. */
  batch(kind: 'prepare' | 'append', size: number): void;
  /** A transaction was prepared for the first time. */
  prepared(): void;
  /** A transaction was resolved for the first time. */
  resolved(state: TransactionState, by: Resolver): void;
  /** Messages were sent without a transaction. */
  sent(count: number): void;
}

export const silentHalfObserver: HalfObserver = { batch() {}, prepared() {}, resolved() {}, sent() {} };
