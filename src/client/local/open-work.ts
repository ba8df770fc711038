import { AsyncLocalStorage } from 'node:async_hooks';
import type { DataSource, QueryRunner } from 'typeorm';
import { NestedLocalTransaction } from '../errors.js';

const current = new AsyncLocalStorage<OpenWork>();

/** The work of one local transaction, while it may write. Its asynchronous context tells what belongs to it. */
export class OpenWork {
  #isOpen = true;
  #around: OpenWork | undefined;

  /** @throws NestedLocalTransaction: a second connection, taken while one is held, empties a pool and then waits for ever */
  constructor(private readonly dataSource: DataSource) {
    this.#around = current.getStore();
    if (isInOpenWork(dataSource)) throw new NestedLocalTransaction();
  }

  run<Result>(work: () => Promise<Result>): Promise<Result> {
    return current.run(this, work);
  }

  /** Makes statements fail that the work sends on its connection after its end: they would end in the COMMIT, or break it. */
  guard(runner: QueryRunner): void {
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    const queryInWork = async (...args: unknown[]): Promise<unknown> => {
      if (!this.#isOpen && current.getStore() === this) {
        throw new Error('the work of this local transaction has ended: await everything that it does');
      }
      return query(...args);
    };
    runner.query = queryInWork as typeof runner.query;
  }

  /** From now on what still runs of it does not belong to it. */
  close(): void {
    this.#isOpen = false;
    this.#around = undefined;
  }

  static isOpen(work: OpenWork | undefined, dataSource: DataSource): boolean {
    for (let each = work; each !== undefined; each = each.#around) {
      if (each.#isOpen && each.dataSource === dataSource) return true;
    }
    return false;
  }
}

/** Whether the caller is (part of) the work of a local transaction on this database that is still open. */
export function isInOpenWork(dataSource: DataSource): boolean {
  return OpenWork.isOpen(current.getStore(), dataSource);
}
