import type { DurabilityReport } from '../message-store.js';

/** One SQL statement with `?` placeholders; `undefined` parameters are written as NULL. */
export interface Statement {
  sql: string;
  params?: readonly SqlValue[];
  /**
   * For an INSERT of many rows: `sql` ends in `VALUES ` (no placeholders), `params` are the values of `count` rows one
   * after another, and `end` follows the rows. Each adapter writes them in the way that costs its driver least.
   */
  rows?: { count: number; end: string };
}

export type SqlValue = string | number | bigint | Buffer | null | undefined;

// Rows come straight from a driver: each verb maps its own columns.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type SqlRow = Record<string, any>;

export interface SqlResult {
  rows: SqlRow[];
  /** Rows matched by an UPDATE or DELETE (not only those whose values changed), or inserted by an INSERT. */
  affectedRows: number;
}

/** An open database transaction at READ COMMITTED (SQLite: serialised). */
export interface SqlSession {
  /** Sends the statements in one round trip, in order; the first that fails throws, and those after it do not run. */
  run(...statements: Statement[]): Promise<SqlResult[]>;
  /** As {@link run}, with the COMMIT in the same round trip. Nothing may follow. Not for a statement whose result decides whether to commit. */
  finish(...statements: Statement[]): Promise<SqlResult[]>;
}

/** What differs between the servers, as seen by a verb. */
export interface SqlDialect {
  readonly name: 'mysql' | 'mariadb' | 'sqlite';
  /** Ends a SELECT that locks the rows it reads; empty where one writer at a time makes it needless. */
  readonly forUpdate: string;
  /**
   * Follows a table's name where rows must be found by the primary key alone. On a small table the server might read
   * (and lock, or wait for) rows that were not asked for.
   */
  readonly byPrimaryKey: string;
  /** From so many lanes on one UPDATE for all of them costs less than one for each. */
  readonly lanesTogetherMin: number;
  /** Ends an INSERT so that an existing row with the same key is updated in the named columns from the given values. */
  onConflictUpdate(keyColumns: readonly string[], columns: readonly string[]): string;
  /** Ends an INSERT so that an existing row with the same key is left as it is. */
  onConflictKeep(keyColumns: readonly string[]): string;
}

/** The database behind a store. Throws `Problem('unavailable')` when it cannot be reached; other driver errors as they are. */
export interface SqlDatabase {
  readonly dialect: SqlDialect;
  /** Bound of one statement's text in bytes (a little less than half of the server's packet limit, since escaping may double it). */
  readonly statementBytesMax: number;
  /** Reads outside a transaction, in one round trip. */
  read(...statements: Statement[]): Promise<SqlResult[]>;
  /**
   * Runs `work` in a database transaction and commits. A deadlock, lock timeout or serialisation failure runs `work`
   * again (bounded), so `work` must not keep state outside. After any error the connection is rolled back or destroyed.
   */
  transaction<T>(work: (session: SqlSession) => Promise<T>): Promise<T>;
  /** Whether an error means that a unique key was there already. */
  isDuplicate(error: unknown): boolean;
  /** For people: `MariaDB 10.11.19 at 127.0.0.1:3306/halfbox`; without credentials. */
  readonly description: string;
  /** The server's clock, epoch ms. */
  now(): Promise<number>;
  /** What an acknowledged COMMIT survives, as read from the server now. */
  durability(): Promise<DurabilityReport>;
  /** Waits for what runs and closes every connection. Later calls throw `Problem('unavailable')`. */
  close(): Promise<void>;
}

/** Told after each read and each transaction (retries and waiting included), for metrics. Must not throw. */
export type StatementObserver = (kind: 'read' | 'transaction', durationMs: number, statements: number) => void;

/** `(?,?,?),(?,?,?)` for a multi-row INSERT. */
export function rowPlaceholders(rows: number, columns: number): string {
  const row = `(${'?,'.repeat(columns - 1)}?)`;
  return `${`${row},`.repeat(rows - 1)}${row}`;
}

/** `?,?,?` for an IN list. The list must not be empty. */
export function listPlaceholders(count: number): string {
  return `${'?,'.repeat(count - 1)}?`;
}

/** Text of a column that a driver may give as a string or as bytes. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : bytesOf(value).toString('utf8');
}

/** Bytes of a column: mysql2 gives a Buffer, libsql an ArrayBuffer or a Uint8Array. */
export function bytesOf(value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw new TypeError(`not bytes: ${typeof value}`);
}
