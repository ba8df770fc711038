import { existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { migrations } from '../../../migrations/index.js';
import { runMigrations } from '../run-migrations.js';
import type { StatementObserver } from '../sql/database.js';
import { StoreStartError } from '../store-start-error.js';
import { FileLock } from './file-lock.js';
import { sqliteDataSource } from './libsql-driver.js';
import { SqliteDatabase, type SqliteParts } from './sqlite-database.js';

/** The absolute path of the file that a `sqlite:` URL names. */
export function sqlitePath(url: string): string {
  const path = url.replace(/^sqlite:(\/\/)?/, '');
  if (path === '' || path.startsWith(':memory:')) {
    throw new StoreStartError(
      `${url}: SQLite needs a file, such as sqlite:./.halfbox/halfbox.db; an in-memory database would lose messages`,
    );
  }
  return resolve(path);
}

/**
 * Opens a SQLite file for this process alone, creates its folder, and brings its schema up to date.
 * @throws StoreStartError when another broker has it open, or its schema is newer than this version
 */
export async function openSqlite(
  url: string,
  options: {
    transactionsWaitingMax: number;
    onStatement?: StatementObserver | undefined;
    onCreated?: ((place: string) => void) | undefined;
  },
): Promise<SqliteDatabase> {
  const isNew = !existsSync(sqlitePath(url));
  const parts = lockedParts(url);
  const { writer, reader } = parts;
  try {
    await initializeWriter(parts);
    await runMigrations(writer);
    // TypeORM turns foreign keys on; the schema has none, and the check would cost on every write.
    await writer.query('PRAGMA foreign_keys = OFF');
    await reader.initialize();
    await reader.query('PRAGMA query_only = ON');
    if (isNew) options.onCreated?.(parts.path);
    return new SqliteDatabase(parts, options);
  } catch (error) {
    await closeParts(parts);
    throw error;
  }
}

/** Brings the schema of a SQLite file up to date, without opening a store. Answers the names of the migrations that ran. */
export async function migrateSqlite(url: string): Promise<string[]> {
  const parts = lockedParts(url);
  try {
    await initializeWriter(parts);
    return await runMigrations(parts.writer);
  } finally {
    await closeParts(parts);
  }
}

function lockedParts(url: string): SqliteParts {
  const path = sqlitePath(url);
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    throw new StoreStartError(`HALFBOX_STORE_URL: the folder ${dirname(path)} cannot be created`, { cause: error });
  }
  return {
    path,
    lock: FileLock.take(path),
    writer: sqliteDataSource(path, migrations),
    reader: sqliteDataSource(path, []),
  };
}

async function initializeWriter({ path, writer }: SqliteParts): Promise<void> {
  try {
    await writer.initialize();
    await writer.query('PRAGMA journal_mode = WAL');
    await writer.query('PRAGMA synchronous = FULL');
  } catch (error) {
    throw new StoreStartError(`HALFBOX_STORE_URL: ${path} cannot be opened as a SQLite file`, { cause: error });
  }
}

async function closeParts(parts: SqliteParts): Promise<void> {
  for (const dataSource of [parts.reader, parts.writer]) {
    if (dataSource.isInitialized) await dataSource.destroy();
  }
  parts.lock.release();
}
