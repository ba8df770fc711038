import type { DataSource, EntitySubscriberInterface, QueryRunner, TransactionCommitEvent } from 'typeorm';

/**
 * Tells when a transaction that is open now has committed. It is for hurrying only: a commit that goes around TypeORM is not
 * heard of.
 */
export class CommitListener {
  readonly #waiting = new WeakMap<QueryRunner, () => void>();
  readonly #subscriber: EntitySubscriberInterface = {
    afterTransactionCommit: ({ queryRunner }: TransactionCommitEvent) => {
      // A savepoint that is released is told of too.
      if (queryRunner.isTransactionActive) return;
      const act = this.#waiting.get(queryRunner);
      this.#waiting.delete(queryRunner);
      act?.();
    },
  };

  /** Calls `act` once after the runner's transaction has committed; not when it is rolled back. */
  once(dataSource: DataSource, runner: QueryRunner, act: () => void): void {
    // TypeORM makes a new list of subscribers when a DataSource is initialized.
    if (!dataSource.subscribers.includes(this.#subscriber)) dataSource.subscribers.push(this.#subscriber);
    this.#waiting.set(runner, act);
  }
}
