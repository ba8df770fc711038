import mysql2, { type Pool, type PoolConnection, type PoolOptions } from 'mysql2';
import { DataSource, type MigrationInterface } from 'typeorm';
import type { MysqlAddress } from './mysql-address.js';
import type { MysqlServer } from './mysql-server.js';

export interface MysqlPoolOptions {
  /** How many connections are used at a time. */
  poolSize: number;
  connectTimeoutMs: number;
  /** Several statements in one packet: for the hot pool only, whose statements are built here and whose parameters are escaped. */
  multipleStatements: boolean;
  migrations: (new () => MigrationInterface)[];
}

/** A connection that lies idle is closed by us after this long, well before the server would do it. */
const idleMsMax = 60_000;

/**
 * Escaping is only safe without NO_BACKSLASH_ESCAPES, and strict mode refuses what would not fit. A broker whose machine
 * is gone leaves no sign at the server: the timeouts keep its open transaction from holding locks for hours.
 */
function sessionSettings(kind: MysqlServer['kind']): string[] {
  const idleTransaction = kind === 'mariadb' ? ', idle_transaction_timeout = 30' : '';
  return [
    `SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00',
      innodb_lock_wait_timeout = 5, wait_timeout = 180${idleTransaction}`,
    'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  ];
}

/** The settings are queued before anything that the pool's user sends, and a connection that refuses them is closed. */
function prepareConnection(connection: PoolConnection, settings: string[]): void {
  // An error of a connection in use is given to its query's callback; without a listener a second one would end the process.
  connection.on('error', () => connection.destroy());
  for (const setting of settings) {
    connection.query(setting, (error) => {
      if (error) connection.destroy();
    });
  }
}

/** mysql2 as TypeORM uses it, with every connection of its pools prepared, the first one too. */
function preparingDriver(settings: string[]): object {
  return {
    ...mysql2,
    createPool(options: PoolOptions): Pool {
      const pool = mysql2.createPool(options);
      pool.on('connection', (connection) => prepareConnection(connection, settings));
      return pool;
    },
  };
}

/** mysql2 would search every statement for parameters, also those that come complete (see `statementText`). */
function formatOnlyParameters(sql: string, values: Parameters<typeof mysql2.format>[1]): string {
  return Array.isArray(values) && values.length === 0 ? sql : mysql2.format(sql, values, false, 'Z');
}

/** A TypeORM DataSource on a server; whole numbers come as numbers, times are epoch ms and never dates. */
export function mysqlDataSource(address: MysqlAddress, server: MysqlServer, options: MysqlPoolOptions): DataSource {
  return new DataSource({
    type: server.kind,
    driver: preparingDriver(sessionSettings(server.kind)),
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
    // One more than are used at a time: with a limit above `maxIdle`, mysql2 closes idle connections.
    poolSize: options.poolSize + 1,
    multipleStatements: options.multipleStatements,
    ...(address.ssl && { ssl: address.ssl }),
    extra: {
      queryFormat: formatOnlyParameters,
      // None is prepared, and mysql2 makes room for all of them with each connection: half a MiB for its default of 16,000.
      maxPreparedStatements: 1,
      decimalNumbers: true,
      enableKeepAlive: true,
      keepAliveInitialDelay: 10_000,
      maxIdle: options.poolSize,
      idleTimeout: idleMsMax,
    },
    entities: [],
    migrations: options.migrations,
    migrationsTableName: 'halfbox_migration',
    logging: false,
  });
}
