import type { DataSource } from 'typeorm';
import { NestedLocalTransaction } from '../errors.js';
import { dialectOf, inDialect, type Dialect } from './dialect.js';
import { within } from './in-hand.js';
import { openLocalConnection } from './local-connection.js';
import { isInOpenWork } from './open-work.js';

/** What one statement answered. */
export interface StatementResult {
  rows: Record<string, unknown>[];
  affectedRows: number;
}

/**
 * Runs single statements that belong to no transaction of the application: each commits by itself, on a connection to the
 * primary that is taken from the DataSource's pool. On SQLite, whose DataSource has one connection, it waits for the end of
 * the transaction that is open there, so that it sees and changes nothing that is not committed.
 */
export class OwnStatements {
  readonly dialect: Dialect;

  /** @param timeoutMs bound of a statement, the wait for its connection included */
  constructor(
    private readonly dataSource: DataSource,
    private readonly timeoutMs = 30_000,
  ) {
    this.dialect = dialectOf(dataSource);
  }

  /**
   * @param sql with `?` for its parameters
   * @param committedOnly reads nothing else where the application's sessions read uncommitted rows either
   * @throws NestedLocalTransaction on SQLite from the work of a local transaction, for whose end it would wait
   */
  async run(sql: string, params: readonly unknown[] = [], committedOnly = false): Promise<StatementResult> {
    if (this.dialect === 'sqlite' && isInOpenWork(this.dataSource)) throw new NestedLocalTransaction();
    const deadline = performance.now() + this.timeoutMs;
    let isLate = false;
    const inTime = <Result>(under: Promise<Result>): Promise<Result> =>
      within(Math.max(0, deadline - performance.now()), under, () => {
        isLate = true;
        return new Error(`the database gave no answer within ${this.timeoutMs} ms`);
      });
    const connection = await openLocalConnection(this.dataSource, inTime);
    try {
      if (committedOnly && this.dialect === 'mysql') {
        await inTime(connection.runner.query('SET TRANSACTION ISOLATION LEVEL READ COMMITTED'));
      }
      const statement = connection.runner.query(inDialect(this.dialect, sql), [...params], true);
      const { records, affected } = await inTime(statement);
      return { rows: (records ?? []) as Record<string, unknown>[], affectedRows: affected ?? 0 };
    } finally {
      // The statement may still run there.
      await (isLate ? connection.discard() : connection.release());
    }
  }
}

/** As many places for parameters as there are values, for `IN (…)`. */
export function placesFor(values: readonly unknown[]): string {
  return values.map(() => '?').join(', ');
}
