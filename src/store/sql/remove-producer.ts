import { Problem } from '../../message/problem.js';
import type { SqlDatabase } from './database.js';
import { selectProducer } from './producer-row.js';
import { transactionStateCode } from './transaction-row.js';

/** Deletes a producer; its transactions stay. `not-empty` unless `force` while one of them is open. False when there is none. */
export function removeProducer(database: SqlDatabase, name: string, force: boolean): Promise<boolean> {
  return database.transaction(async (session) => {
    const [found, open] = await session.run(selectProducer(name, database.dialect.forUpdate), {
      sql: 'SELECT 1 FROM halfbox_transaction WHERE state IN (?, ?) AND producer = ? LIMIT 1',
      params: [transactionStateCode.prepared, transactionStateCode.parked, name],
    });
    if (!found?.rows[0]) return false;
    if (!force && open?.rows[0]) {
      throw new Problem(
        'not-empty',
        `the producer ${name} has open transactions, which could no longer be checked; force deletes it all the same`,
      );
    }
    await session.finish({ sql: 'DELETE FROM halfbox_producer WHERE name = ?', params: [name] });
    return true;
  });
}
