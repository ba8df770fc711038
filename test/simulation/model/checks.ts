import type { CheckAttempt } from '../../../src/message/transaction.js';
import type { CheckStore, ClaimedCheck } from '../../../src/store/check-store.js';
import { byText, type Tables, type TransactionRow } from './tables.js';

const answers = new Set(['commit', 'rollback', 'unknown']);

/** Claims of checks over maps: a claim is a token that only its holder knows. */
export class ModelCheckStore implements CheckStore {
  constructor(private readonly tables: Tables) {}

  async claimDue(now: number, leaseMs: number, limit: number): Promise<ClaimedCheck[]> {
    const due = [...this.tables.transactions.values()]
      .filter(({ state, dueAt }) => state === 'prepared' && dueAt <= now)
      .sort((a, b) => a.dueAt - b.dueAt || byText(a.id, b.id))
      .slice(0, limit);
    return due.map((row) => this.#claim(row, now + leaseMs));
  }

  async claimOne(transactionId: string, now: number, leaseMs: number): Promise<ClaimedCheck | null> {
    const row = this.tables.transactions.get(transactionId);
    if (row === undefined || (row.state !== 'prepared' && row.state !== 'parked')) return null;
    if (row.claimToken !== null && row.claimedUntil > now) return null;
    return this.#claim(row, now + leaseMs);
  }

  async record(
    check: ClaimedCheck,
    attempt: CheckAttempt,
    next: { dueAt: number } | { park: true },
    historyMax: number,
  ): Promise<boolean> {
    const row = this.tables.transactions.get(check.transactionId);
    if (row === undefined || row.claimToken !== check.claimToken) return false;
    const isOpen = row.state === 'prepared' || row.state === 'parked';
    row.claimToken = null;
    row.asked = attempt.attempt;
    if (answers.has(attempt.outcome)) row.answered += 1;
    row.attempts = [...row.attempts, { ...attempt }].filter((each) => each.attempt > attempt.attempt - historyMax);
    if (row.state === 'prepared') {
      if ('park' in next) row.state = 'parked';
      row.dueAt = 'park' in next ? attempt.at : next.dueAt;
    }
    return isOpen;
  }

  async postpone(checks: ClaimedCheck[], dueAt: number): Promise<void> {
    for (const { transactionId, claimToken } of checks) {
      const row = this.tables.transactions.get(transactionId);
      if (row === undefined || row.claimToken !== claimToken) continue;
      row.claimToken = null;
      if (row.state === 'prepared') row.dueAt = dueAt;
    }
  }

  async makeDue(producer: string, now: number, dueBefore: number, limit: number): Promise<number> {
    const putOff = [...this.tables.transactions.values()]
      .filter(
        (row) =>
          row.state === 'prepared' &&
          row.producer === producer &&
          row.dueAt > now &&
          row.dueAt <= dueBefore &&
          row.firstCheckAt <= now &&
          row.claimToken === null &&
          (row.asked === 0 || row.asked > row.answered),
      )
      .sort((a, b) => a.dueAt - b.dueAt || byText(a.id, b.id))
      .slice(0, limit)
      .filter(({ asked, attempts }) => {
        const last = attempts.find(({ attempt }) => attempt === asked);
        return last === undefined || !answers.has(last.outcome);
      });
    for (const row of putOff) row.dueAt = now;
    return putOff.length;
  }

  #claim(row: TransactionRow, until: number): ClaimedCheck {
    row.claimToken = `claim-${++this.tables.claims}`;
    row.claimedUntil = until;
    if (row.state === 'prepared') row.dueAt = until;
    return {
      transactionId: row.id,
      producer: row.producer,
      state: row.state === 'parked' ? 'parked' : 'prepared',
      claimToken: row.claimToken,
      attempt: row.asked + 1,
      answered: row.answered,
      preparedAt: row.preparedAt,
      ...(row.instance !== undefined && { instance: row.instance }),
      messageIds: row.refs.map(({ id }) => id),
    };
  }
}
