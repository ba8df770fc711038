import { migrations } from '../../../migrations/index.js';
import { runMigrations } from '../run-migrations.js';
import { underMigrationLock } from './migration-lock.js';
import { parseMysqlUrl, type MysqlAddress } from './mysql-address.js';
import { mysqlDataSource } from './mysql-data-source.js';
import { MysqlDatabase, type MysqlDatabaseOptions } from './mysql-database.js';
import { detectServer, type MysqlServer } from './mysql-server.js';

export interface OpenMysqlOptions extends MysqlDatabaseOptions {
  connectTimeoutMs: number;
  /** How long another node may take to change the schema. */
  migrationWaitSecondsMax: number;
  onCreated?: ((place: string) => void) | undefined;
}

/**
 * Opens a MySQL or MariaDB database, which is created where it is missing, and brings its schema up to date.
 * @throws StoreStartError when it cannot be reached, or its schema is newer than this version
 */
export async function openMysql(url: string, options: OpenMysqlOptions): Promise<MysqlDatabase> {
  const address = parseMysqlUrl(url);
  const server = await detectServer(address, options.connectTimeoutMs);
  if (server.created) options.onCreated?.(server.description);
  await migrate(address, server, options);
  const dataSource = mysqlDataSource(address, server, {
    poolSize: options.poolSize,
    connectTimeoutMs: options.connectTimeoutMs,
    multipleStatements: true,
    migrations: [],
  });
  await dataSource.initialize();
  return new MysqlDatabase(dataSource, server, options);
}

/** Brings the schema of a database up to date, without opening a store. Answers the names of the migrations that ran. */
export async function migrateMysql(url: string, options: OpenMysqlOptions): Promise<string[]> {
  const address = parseMysqlUrl(url);
  return migrate(address, await detectServer(address, options.connectTimeoutMs), options);
}

function migrate(address: MysqlAddress, server: MysqlServer, options: OpenMysqlOptions): Promise<string[]> {
  return underMigrationLock(address, options.connectTimeoutMs, options.migrationWaitSecondsMax, async () => {
    const dataSource = mysqlDataSource(address, server, {
      poolSize: 1,
      connectTimeoutMs: options.connectTimeoutMs,
      multipleStatements: false,
      migrations,
    });
    await dataSource.initialize();
    try {
      return await runMigrations(dataSource);
    } finally {
      await dataSource.destroy();
    }
  });
}
