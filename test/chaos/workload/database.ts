import libsql from 'libsql';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { HalfboxClientTables1700000000101 } from '../../../src/client/index.js';

/** The database of an application: a `mysql:` URL, or the path of a SQLite file. */
export function applicationDatabase(address: string): Promise<DataSource> {
  const place: DataSourceOptions = address.startsWith('mysql:')
    ? { type: 'mariadb', url: address, poolSize: 12 }
    : { type: 'better-sqlite3', driver: libsql, database: address };
  return new DataSource({ ...place, migrations: [HalfboxClientTables1700000000101] } as DataSourceOptions).initialize();
}

/** Makes Halfbox's tables, `shop_order(id)` for what a producer does and `effect(id, message)` for what a consumer does. */
export async function prepareApplicationDatabase(address: string): Promise<void> {
  const dataSource = await applicationDatabase(address);
  if (!address.startsWith('mysql:')) await dataSource.query('PRAGMA journal_mode = WAL');
  await dataSource.runMigrations();
  await dataSource.query('CREATE TABLE IF NOT EXISTS shop_order (id VARCHAR(64) NOT NULL PRIMARY KEY)');
  await dataSource.query('CREATE TABLE IF NOT EXISTS effect (message VARCHAR(64) NOT NULL)');
  await dataSource.destroy();
}
