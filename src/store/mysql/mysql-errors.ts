import { Problem } from '../../message/problem.js';

/** What mysql2 tells of a failed statement or connection. */
interface MysqlError {
  errno?: number;
  code?: string;
  sqlState?: string;
  fatal?: boolean;
}

/** Server errors after which the same transaction may well succeed: deadlock, lock timeout, a lost write conflict. */
const retryableNumbers = new Set([
  1213, // deadlock; also a certification failure in Galera
  1205, // lock wait timeout: rolls back the statement only, so the transaction is given up as a whole
  1020, // record has changed since last read
  8022, // TiDB: commit failed, rolled back
  8028, // TiDB: schema changed during the transaction
  9007, // TiDB: write conflict
]);

/** Server errors that say: not here, or not now. The connection is given up, as it may lead to a server that was replaced. */
const unavailableNumbers = new Set([
  1021, // disk full
  1040, // too many connections
  1041, // out of memory
  1047, // Galera: the node is not ready, or has lost its cluster
  1053, // server shutdown in progress
  1114, // table full
  1129, // host blocked
  1158,
  1159,
  1160,
  1161, // network read and write errors
  1180, // error during COMMIT
  1203,
  1226, // the user's connections or resources are used up
  1290, // an option such as --read-only prevents it
  1317, // query interrupted
  1792, // read-only transaction
  1836, // read-only mode
  1927, // connection killed
  1969,
  3024, // statement ran into its time limit
  4031, // closed for inactivity
  9001,
  9002,
  9003,
  9004,
  9005, // TiDB: storage or placement unavailable
]);

/** Client errors without `fatal` after which the connection's state is unknown. */
const unavailableCodes = new Set(['PROTOCOL_CONNECTION_LOST', 'ETIMEDOUT', 'ECONNRESET']);

const retryAfterMs = 1_000;

function details(error: unknown): MysqlError {
  return typeof error === 'object' && error !== null ? (error as MysqlError) : {};
}

export function isMysqlDuplicate(error: unknown): boolean {
  const { errno } = details(error);
  return errno === 1062 || errno === 1586;
}

/** Whether the whole transaction should be run again. */
export function isMysqlRetryable(error: unknown): boolean {
  const { errno, sqlState } = details(error);
  return (errno !== undefined && retryableNumbers.has(errno)) || sqlState === '40001';
}

/** Whether the connection must not be used again. */
export function isMysqlUnavailable(error: unknown): boolean {
  const { errno, code, fatal } = details(error);
  if (fatal === true || (code !== undefined && unavailableCodes.has(code))) return true;
  return errno !== undefined && unavailableNumbers.has(errno);
}

/** A connection could not be opened, for whatever reason. */
export function connectProblem(error: unknown): Problem {
  return new Problem('unavailable', `cannot connect to the store: ${errorCode(error)}`, { retryAfterMs, cause: error });
}

/** `Problem('unavailable')` for what is over when the server is there again or less busy; any other error as it is. */
export function mysqlProblem(error: unknown): unknown {
  if (error instanceof Problem) return error;
  if (!isMysqlUnavailable(error) && !isMysqlRetryable(error)) return error;
  return new Problem('unavailable', `the store failed: ${errorCode(error)}`, { retryAfterMs, cause: error });
}

/** The error's name without its text, which may show parts of a statement. */
export function errorCode(error: unknown): string {
  const { code, errno } = details(error);
  return code ?? (errno !== undefined ? String(errno) : 'unknown error');
}
