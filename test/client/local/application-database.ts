import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import libsql from 'libsql';
import { createConnection } from 'mysql2/promise';
import { Client } from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import type { Dialect } from '../../../src/client/local/dialect.js';
import { HalfboxClientTables1700000000101 } from '../../../src/client/local/migration.js';

/** An empty database of an application, and connections to it. */
export class ApplicationDatabase {
  readonly #opened: DataSource[] = [];

  constructor(
    readonly dialect: Dialect,
    /** Of the server's database; of SQLite the path of the file. */
    readonly address: string,
    private readonly remove: () => Promise<void>,
  ) {}

  /** What a DataSource to it needs; through another address where one is given. */
  options(address = this.address): DataSourceOptions {
    if (this.dialect === 'sqlite') return { type: 'better-sqlite3', driver: libsql, database: address };
    return { type: this.dialect, url: address };
  }

  /** Opens a DataSource to it; closed with it. `more` wins over the options. */
  async open(more: object = {}, address = this.address): Promise<DataSource> {
    const dataSource = new DataSource({ ...this.options(address), ...more } as DataSourceOptions);
    this.#opened.push(await dataSource.initialize());
    return dataSource;
  }

  /** Makes Halfbox's tables and the application's own: `shop_order(id, note)`. */
  async prepare(): Promise<this> {
    const dataSource = await this.open({ migrations: [HalfboxClientTables1700000000101] });
    await dataSource.runMigrations();
    await dataSource.query('CREATE TABLE shop_order (id VARCHAR(64) NOT NULL PRIMARY KEY, note VARCHAR(64))');
    return this;
  }

  async close(): Promise<void> {
    for (const dataSource of this.#opened) if (dataSource.isInitialized) await dataSource.destroy();
    await this.remove();
  }
}

/** Where a fresh database can be made. */
export interface ApplicationServer {
  name: string;
  dialect: Dialect;
  provide(): Promise<ApplicationDatabase>;
}

async function provideFile(): Promise<ApplicationDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'halfbox-application-'));
  const remove = async () => rmSync(folder, { recursive: true, force: true });
  return new ApplicationDatabase('sqlite', join(folder, 'shop.db'), remove);
}

async function provideSchema(
  dialect: Dialect,
  variable: string,
  run: (url: string, statement: string) => Promise<void>,
): Promise<ApplicationDatabase> {
  const serverUrl = process.env[variable];
  if (!serverUrl) throw new Error(`${variable} is not set: run the tests by \`npm test\`, which starts the servers`);
  const schema = `shop_${randomBytes(6).toString('hex')}`;
  await run(serverUrl, `CREATE DATABASE ${schema}`);
  const url = new URL(serverUrl);
  url.pathname = `/${schema}`;
  const end = dialect === 'postgres' ? ' WITH (FORCE)' : '';
  return new ApplicationDatabase(dialect, url.href, () => run(serverUrl, `DROP DATABASE ${schema}${end}`));
}

async function onMysql(url: string, statement: string): Promise<void> {
  const connection = await createConnection({ uri: url, connectTimeout: 10_000 });
  await connection.query(statement).finally(() => connection.end());
}

async function onPostgres(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

const sqlite: ApplicationServer = { name: 'SQLite', dialect: 'sqlite', provide: provideFile };
const mysql: ApplicationServer = {
  name: 'MySQL or MariaDB',
  dialect: 'mysql',
  provide: () => provideSchema('mysql', 'HALFBOX_TEST_MYSQL_URL', onMysql),
};
const postgres: ApplicationServer = {
  name: 'PostgreSQL',
  dialect: 'postgres',
  provide: () => provideSchema('postgres', 'HALFBOX_TEST_POSTGRES_URL', onPostgres),
};

/** Those with connections that can be cut. */
export const networkServers: ApplicationServer[] = [mysql, postgres];
export const applicationServers: ApplicationServer[] = [sqlite, ...networkServers];
