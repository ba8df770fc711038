import libsql from 'libsql';
import { DataSource, type MigrationInterface } from 'typeorm';

/** What is used of a libsql database opened without TypeORM. */
export interface LibsqlFile {
  exec(sql: string): void;
  close(): void;
}

/** Opens a SQLite file; a lock that another holds fails at once. */
export function openLibsql(path: string): LibsqlFile {
  return new libsql(path, { timeout: 0 });
}

/** A TypeORM DataSource of one connection to a SQLite file. libsql has the API of better-sqlite3 and comes prebuilt. */
export function sqliteDataSource(path: string, migrations: (new () => MigrationInterface)[]): DataSource {
  return new DataSource({
    type: 'better-sqlite3',
    driver: libsql,
    database: path,
    timeout: 5_000,
    entities: [],
    migrations,
    migrationsTableName: 'halfbox_migration',
    logging: false,
  });
}
