import type { Dialect } from './dialect.js';

/** What the drivers say of an error: `code` of PostgreSQL and SQLite, `errno` of MySQL. */
interface DriverError {
  code?: unknown;
  errno?: unknown;
  message?: unknown;
}

/** The driver's own error; TypeORM wraps it. */
function driverError(error: unknown): DriverError {
  const wrapped = (error as { driverError?: unknown } | undefined)?.driverError ?? error;
  return (wrapped ?? {}) as DriverError;
}

/** A row with the same primary or unique key is there. */
export function isDuplicateKey(dialect: Dialect, error: unknown): boolean {
  const { code, errno } = driverError(error);
  if (dialect === 'mysql') return errno === 1062;
  if (dialect === 'postgres') return code === '23505';
  return code === 'SQLITE_CONSTRAINT_PRIMARYKEY' || code === 'SQLITE_CONSTRAINT_UNIQUE';
}

/** A table that a statement names is not there. */
export function isMissingTable(dialect: Dialect, error: unknown): boolean {
  const { code, errno, message } = driverError(error);
  if (dialect === 'mysql') return errno === 1146;
  if (dialect === 'postgres') return code === '42P01';
  return typeof message === 'string' && message.includes('no such table');
}

/** Another transaction holds what this one needs (lock wait, deadlock, serialization, a busy file): it may go well later. */
export function isLockConflict(dialect: Dialect, error: unknown): boolean {
  const { code, errno } = driverError(error);
  if (dialect === 'mysql') return errno === 1205 || errno === 1213 || errno === 3572;
  if (dialect === 'postgres') return code === '40001' || code === '40P01' || code === '55P03';
  return typeof code === 'string' && (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED'));
}

/**
 * Whether MySQL has ended the whole transaction, not only the statement, and takes the next statement as one of its own:
 * `by-setting` where that is a setting of the server.
 */
export function mysqlTransactionEnd(error: unknown): 'ended' | 'by-setting' | 'no' {
  const { errno } = driverError(error);
  // A deadlock, a full lock table, a row that changed since it was read (MariaDB's snapshot isolation).
  if (errno === 1213 || errno === 1206 || errno === 1020) return 'ended';
  return errno === 1205 ? 'by-setting' : 'no';
}
