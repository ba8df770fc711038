import { StoreStartError } from '../store-start-error.js';
import { openLibsql, type LibsqlFile } from './libsql-driver.js';
import { sqliteErrorCode } from './sqlite-errors.js';

/**
 * Keeps a second broker off a SQLite file: an exclusive transaction on `<file>.lock`, held as long as the store is open.
 * The operating system drops it with the process, also after a kill -9, so that a stale lock cannot exist.
 */
export class FileLock {
  private constructor(private readonly file: LibsqlFile) {}

  /** @throws StoreStartError when another broker (or another store of this process) holds it, or the folder is not writable */
  static take(databasePath: string): FileLock {
    const lockPath = `${databasePath}.lock`;
    let file: LibsqlFile | undefined;
    try {
      file = openLibsql(lockPath);
      file.exec('BEGIN EXCLUSIVE');
      return new FileLock(file);
    } catch (error) {
      file?.close();
      const inUse = sqliteErrorCode(error) === 'SQLITE_BUSY';
      throw new StoreStartError(
        inUse
          ? `the SQLite file ${databasePath} is in use by another broker; stop it, or give this one another HALFBOX_STORE_URL (several brokers can share MySQL or MariaDB)`
          : `HALFBOX_STORE_URL: ${lockPath} cannot be written`,
        { cause: error },
      );
    }
  }

  release(): void {
    this.file.close();
  }
}
