import mysql2, { type Pool, type PoolConnection, type PoolOptions } from 'mysql2';
import { DataSource, type MigrationInterface } from 'typeorm';
import type { MysqlAddress } from './mysql-address.js';
import type { MysqlServer } from './mysql-server.js';

export interface MysqlPoolOptions {
  poolSize: number;
  connectTimeoutMs: number;
  /** Several statements in one packet: for the hot pool only, whose statements are built here and whose parameters are escaped. */
  multipleStatements: boolean;
  migrations: (new () => MigrationInterface)[];
}

/** Escaping is only safe without NO_BACKSLASH_ESCAPES, and strict mode refuses what would not fit. */
const sessionSettings = [
  `SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', innodb_lock_wait_timeout = 5`,
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
];

/** The settings are queued before anything that the pool's user sends, and a connection that refuses them is closed. */
function prepareConnection(connection: PoolConnection): void {
  // An error of a connection in use is given to its query's callback; without a listener a second one would end the process.
  connection.on('error', () => connection.destroy());
  for (const setting of sessionSettings) {
    connection.query(setting, (error) => {
      if (error) connection.destroy();
    });
  }
}

const driver = {
  ...mysql2,
  createPool(options: PoolOptions): Pool {
    const pool = mysql2.createPool(options);
    pool.on('connection', prepareConnection);
    return pool;
  },
};

/** A TypeORM DataSource on a server; whole numbers come as numbers, times are epoch ms and never dates. */
export function mysqlDataSource(address: MysqlAddress, server: MysqlServer, options: MysqlPoolOptions): DataSource {
  return new DataSource({
    type: server.kind,
    driver,
    host: address.host,
    port: address.port,
    username: address.user,
    password: address.password,
    database: address.database,
    charset: 'utf8mb4',
    timezone: 'Z',
    supportBigNumbers: true,
    bigNumberStrings: false,
    connectTimeout: options.connectTimeoutMs,
    poolSize: options.poolSize,
    multipleStatements: options.multipleStatements,
    ...(address.ssl && { ssl: address.ssl }),
    extra: { decimalNumbers: true, enableKeepAlive: true, keepAliveInitialDelay: 10_000 },
    entities: [],
    migrations: options.migrations,
    migrationsTableName: 'halfbox_migration',
    logging: false,
  });
}
