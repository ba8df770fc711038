import type { QueryRunner } from 'typeorm';
import { WorkUnfinished } from '../errors.js';

/** What TypeORM counts: the transaction, and those that were begun within it, as savepoints. */
interface Nesting {
  transactionDepth: number;
}

/**
 * The end of a transaction as a whole. TypeORM's own ends the innermost one of those that were begun within it: with one that
 * nobody ended, a commit or a rollback leaves the transaction open, for the next user of the connection to commit.
 */
export class TransactionEnd {
  #mayBeCommitted = false;

  constructor(private readonly runner: QueryRunner) {}

  /** Whether the COMMIT was sent, or somebody else has ended the transaction. */
  get mayBeCommitted(): boolean {
    return this.#mayBeCommitted;
  }

  /**
   * @param lastly done just before the COMMIT, after what subscribers do before it; when it rejects there is no COMMIT
   * @throws WorkUnfinished when a transaction within it is open
   */
  async commit(lastly: () => Promise<void>): Promise<void> {
    const { runner } = this;
    if (!runner.isTransactionActive) this.#mayBeCommitted = true;
    else if (nestingOf(runner).transactionDepth > 1) throw new WorkUnfinished();
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    const queryBeforeEnd = async (...args: unknown[]): Promise<unknown> => {
      if (args[0] === 'COMMIT') {
        await lastly();
        this.#mayBeCommitted = true;
      }
      return query(...args);
    };
    runner.query = queryBeforeEnd as typeof runner.query;
    await runner.commitTransaction();
    if (!this.#mayBeCommitted) throw new WorkUnfinished();
  }

  /** Rolls back all of it. Rejects when nothing is certain, also when somebody else has ended it. */
  async rollback(): Promise<void> {
    const { runner } = this;
    if (runner.isTransactionActive) nestingOf(runner).transactionDepth = 1;
    await runner.rollbackTransaction();
    if (runner.isTransactionActive) throw new Error('a part of the transaction is still open');
  }
}

function nestingOf(runner: QueryRunner): Nesting {
  return runner as unknown as Nesting;
}
