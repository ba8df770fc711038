import type { DataSource } from 'typeorm';

/** The kinds of SQL that the tables in an application's database come in. MariaDB counts as `mysql`. */
export const dialects = ['mysql', 'postgres', 'sqlite'] as const;
export type Dialect = (typeof dialects)[number];

const dialectOfType: Readonly<Record<string, Dialect | undefined>> = {
  mysql: 'mysql',
  mariadb: 'mysql',
  'aurora-mysql': 'mysql',
  postgres: 'postgres',
  cockroachdb: 'postgres',
  'aurora-postgres': 'postgres',
  'better-sqlite3': 'sqlite',
};

/** What is used of a DataSource here, so that one that is not initialized yet will do. */
export type DataSourceSettings = Pick<DataSource, 'options'>;

/** The dialect of an application's database. @throws TypeError for a kind that Halfbox has no tables for */
export function dialectOf({ options }: DataSourceSettings): Dialect {
  const dialect = dialectOfType[options.type];
  if (dialect !== undefined) return dialect;
  const supported = Object.keys(dialectOfType).join(', ');
  throw new TypeError(`a DataSource of type ${options.type} cannot be used here; supported are ${supported}`);
}

/**
 * How statements name one of the application's Halfbox tables: with the schema of the DataSource's options where they
 * have one, else the bare name.
 */
export function tableName({ options }: DataSourceSettings, table: string): string {
  const schema = 'schema' in options ? options.schema : undefined;
  return qualified(table, schema);
}

/** The table's name in a schema (PostgreSQL); the bare name without one. */
export function qualified(table: string, schema?: string): string {
  return schema === undefined ? table : `"${schema.replaceAll('"', '""')}".${table}`;
}

/** Writes a statement's parameters, which are given as `?`, in the dialect: `$1`, `$2` … for PostgreSQL. */
export function inDialect(dialect: Dialect, sql: string): string {
  if (dialect !== 'postgres') return sql;
  let count = 0;
  return sql.replace(/\?/g, () => `$${(count += 1)}`);
}

/** Milliseconds since the Unix epoch, by the database's clock. */
export const databaseNow: Readonly<Record<Dialect, string>> = {
  mysql: 'CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)',
  postgres: 'CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)',
  sqlite: "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
};
