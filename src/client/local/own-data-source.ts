import type { DataSource, DataSourceOptions } from 'typeorm';

/** Of an application's options what is not for connections: its schema, and what would change it. */
const withoutSchema = {
  entities: [],
  migrations: [],
  subscribers: [],
  synchronize: false,
  dropSchema: false,
  migrationsRun: false,
  installExtensions: false,
  cache: false,
  logging: false,
  logger: undefined,
};

/** What is read of options that only some kinds of databases have. */
interface PoolOptions {
  replication?: { master: object };
  extra?: object;
}

/**
 * A DataSource of its own to the database of another one: to its primary where it is replicated. It is made by the
 * application's copy of TypeORM. Not initialized yet.
 * @param more options that replace the application's
 */
export function ownDataSource(dataSource: DataSource, more: object): DataSource {
  const { replication, extra, ...options } = dataSource.options as DataSourceOptions & PoolOptions;
  const Source = dataSource.constructor as new (options: DataSourceOptions) => DataSource;
  return new Source({
    ...options,
    ...replication?.master,
    ...withoutSchema,
    ...(extra && { extra: withoutPoolSize(extra) }),
    ...more,
  } as DataSourceOptions);
}

/** The drivers' own names of the pool's size would win over TypeORM's. */
function withoutPoolSize(extra: object): object {
  const { max: _max, min: _min, connectionLimit: _limit, ...rest } = extra as Record<string, unknown>;
  return rest;
}
