import type { MessageStore } from './message-store.js';
import type { OpenMysqlOptions } from './mysql/open-mysql.js';
import type { SqlDatabase, StatementObserver } from './sql/database.js';
import { SqlMessageStore } from './sql/sql-message-store.js';
import { StoreStartError } from './store-start-error.js';

export interface StoreOptions {
  /** Connections to MySQL or MariaDB at most. Default 10. SQLite has two. */
  poolSize?: number | undefined;
  /** How long one connection may take to open. Default 5,000. */
  connectTimeoutMs?: number | undefined;
  /** How long a caller may wait for one of them; then `unavailable`. Default 10,000. */
  connectionWaitMsMax?: number | undefined;
  /** How long the server may take to answer one packet; then `unavailable`. Default 30,000. */
  statementTimeoutMs?: number | undefined;
  /** How long another node may take to change the schema, in seconds; then the start fails. Default 60. */
  migrationWaitSecondsMax?: number | undefined;
  /** Database transactions that may wait for a connection; beyond them `overloaded`. Default 10,000. */
  transactionsWaitingMax?: number | undefined;
  /** Told where the data lies when there was no database, and one was made: a URL with a mistake in it looks like that. */
  onCreated?: ((place: string) => void) | undefined;
  /** Told of every read and transaction with its duration. */
  onStatement?: StatementObserver | undefined;
}

const defaults = {
  poolSize: 10,
  connectTimeoutMs: 5_000,
  waitMsMax: 10_000,
  statementTimeoutMs: 30_000,
  migrationWaitSecondsMax: 60,
  transactionsWaitingMax: 10_000,
};

/**
 * Opens the store that a URL names and brings its schema up to date under a lock, so that nodes may start together.
 * URLs: `sqlite:./path/to/file.db`, `mysql://user:password@host:3306/database`, `mariadb://…` (the two mean the same).
 * @throws StoreStartError when it cannot be used as it is; the message says what to change
 */
export async function openStore(url: string, options: StoreOptions = {}): Promise<MessageStore> {
  return new SqlMessageStore(await openDatabase(url, options));
}

/** The database below {@link openStore}, migrated. */
export async function openDatabase(url: string, options: StoreOptions = {}): Promise<SqlDatabase> {
  return isSqlite(url)
    ? (await sqlite()).openSqlite(url, withDefaults(options))
    : (await mysql()).openMysql(url, withDefaults(options));
}

/**
 * Brings a store's schema up to date and closes it again, under the lock that a start takes too. Answers the names of
 * the migrations that ran; none when it was up to date.
 * @throws StoreStartError as {@link openStore}
 */
export async function migrate(url: string, options: StoreOptions = {}): Promise<string[]> {
  return isSqlite(url) ? (await sqlite()).migrateSqlite(url) : (await mysql()).migrateMysql(url, withDefaults(options));
}

// Each with its driver is loaded only where it is used.
const mysql = () => import('./mysql/open-mysql.js');
const sqlite = () => import('./sqlite/open-sqlite.js');

function isSqlite(url: string): boolean {
  if (url.startsWith('sqlite:')) return true;
  if (/^(mysql|mariadb):\/\//.test(url)) return false;
  // Only the part before the colon: the rest may hold a password.
  const scheme = url.split(':')[0] ?? '';
  throw new StoreStartError(`HALFBOX_STORE_URL must start with sqlite:, mysql:// or mariadb://, not ${scheme}`);
}

function withDefaults(options: StoreOptions): OpenMysqlOptions {
  return {
    poolSize: options.poolSize ?? defaults.poolSize,
    connectTimeoutMs: options.connectTimeoutMs ?? defaults.connectTimeoutMs,
    waitMsMax: options.connectionWaitMsMax ?? defaults.waitMsMax,
    statementTimeoutMs: options.statementTimeoutMs ?? defaults.statementTimeoutMs,
    migrationWaitSecondsMax: options.migrationWaitSecondsMax ?? defaults.migrationWaitSecondsMax,
    transactionsWaitingMax: options.transactionsWaitingMax ?? defaults.transactionsWaitingMax,
    onStatement: options.onStatement,
    onCreated: options.onCreated,
  };
}
