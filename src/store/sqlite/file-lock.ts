import { StoreStartError } from '../store-start-error.js';
import { openLibsql, type LibsqlFile } from './libsql-driver.js';

/**
 * Keeps a second broker off a SQLite file: an exclusive transaction on `<file>.lock`, held as long as the store is open.
 * The operating system drops it with the process, also after a kill -9, so that a stale lock cannot exist.
 */
export class FileLock {
  private constructor(private readonly file: LibsqlFile) {}

  /** @throws StoreStartError when another broker (or another store of this process) holds it */
  static take(databasePath: string): FileLock {
    const file = openLibsql(`${databasePath}.lock`);
    try {
      file.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      file.close();
      throw new StoreStartError(
        `the SQLite file ${databasePath} is in use by another broker; stop it, or give this one another HALFBOX_STORE_URL (several brokers can share MySQL or MariaDB)`,
        { cause: error },
      );
    }
    return new FileLock(file);
  }

  release(): void {
    this.file.close();
  }
}
