import { createHash } from 'node:crypto';
import type { RowDataPacket } from 'mysql2/promise';
import { StoreStartError } from '../store-start-error.js';
import type { MysqlAddress } from './mysql-address.js';
import { connectPlainly } from './mysql-server.js';

/**
 * Runs `work` while no other node changes the schema of the same database. The server drops the lock with the
 * connection, so a killed node leaves none behind.
 * @param waitSecondsMax how long another node may take
 * @throws StoreStartError when it takes longer
 */
export async function underMigrationLock<T>(
  address: MysqlAddress,
  connectTimeoutMs: number,
  waitSecondsMax: number,
  work: () => Promise<T>,
): Promise<T> {
  const connection = await connectPlainly(address, connectTimeoutMs);
  try {
    const name = `halfbox_${createHash('sha1').update(address.database).digest('hex')}`;
    const [rows] = await connection.query<RowDataPacket[]>('SELECT GET_LOCK(?, ?) AS taken', [name, waitSecondsMax]);
    if (rows[0]?.['taken'] !== 1) {
      throw new StoreStartError(
        `another node has been changing the schema of ${address.database} for ${waitSecondsMax} s; start again when it is done`,
      );
    }
    return await work();
  } finally {
    await connection.end();
  }
}
