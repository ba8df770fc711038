import type { CheckOutcome } from '../message/transaction.js';

/** Told how checks end, for metrics. Must not throw. */
export interface CheckObserver {
  /** One ask ended. */
  asked(outcome: CheckOutcome, latencyMs: number): void;
  /** A transaction ran out of checks, or of time. */
  parked(why: 'unknown-answers' | 'age'): void;
  /** A producer answered the opposite of what the transaction already is; the transaction stays as it is. */
  contradicted(): void;
}

export const silentCheckObserver: CheckObserver = { asked() {}, parked() {}, contradicted() {} };
