import type { CheckAttempt } from '../../message/transaction.js';
import type { CheckStore, ClaimedCheck } from '../check-store.js';
import { claimDueChecks, claimOneCheck } from './claim-checks.js';
import type { SqlDatabase } from './database.js';
import { makeChecksDue } from './make-checks-due.js';
import { postponeChecks, recordCheck } from './record-check.js';

export class SqlCheckStore implements CheckStore {
  constructor(private readonly database: SqlDatabase) {}

  claimDue(now: number, leaseMs: number, limit: number): Promise<ClaimedCheck[]> {
    return claimDueChecks(this.database, now, leaseMs, limit);
  }

  claimOne(transactionId: string, now: number, leaseMs: number): Promise<ClaimedCheck | null> {
    return claimOneCheck(this.database, transactionId, now, leaseMs);
  }

  record(
    check: ClaimedCheck,
    attempt: CheckAttempt,
    next: { dueAt: number } | { park: true },
    historyMax: number,
  ): Promise<boolean> {
    return recordCheck(this.database, check, attempt, next, historyMax);
  }

  postpone(checks: ClaimedCheck[], dueAt: number): Promise<void> {
    return postponeChecks(this.database, checks, dueAt);
  }

  makeDue(producer: string, now: number, dueBefore: number, limit: number): Promise<number> {
    return makeChecksDue(this.database, producer, now, dueBefore, limit);
  }
}
