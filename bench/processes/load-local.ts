import { DataSource, type DataSourceOptions, type EntityManager } from 'typeorm';
import { connect, HalfboxClientTables1700000000101 } from '../../src/client/index.js';
import { startCallers } from './closed-loop.js';
import { LoadRecord } from './load-record.js';
import { MessageShape, type Shape } from './message-shape.js';
import { preciseNow, workerOptions } from './serve-calls.js';

/**
 * Closed-loop load of an application with a database of its own: so many callers in one process, each of them in one
 * `sendInTransaction` at a time, whose work inserts a row.
 */
const options = workerOptions<{
  url: string;
  callers: number;
  shape: Shape;
  /** Of the application: a MariaDB URL, or the path of a SQLite file. */
  database: { type: 'mysql'; url: string } | { type: 'sqlite'; file: string };
}>();

async function sourceOptions(): Promise<DataSourceOptions> {
  const { database } = options;
  const common = { migrations: [HalfboxClientTables1700000000101], migrationsRun: true };
  if (database.type === 'mysql') return { ...common, type: 'mysql', url: database.url, poolSize: options.callers };
  const driver: unknown = (await import('libsql')).default;
  return { ...common, type: 'better-sqlite3', driver, database: database.file, enableWAL: true } as DataSourceOptions;
}

const dataSource = await new DataSource(await sourceOptions()).initialize();
await dataSource.query('CREATE TABLE orders (id VARCHAR(64) NOT NULL PRIMARY KEY, note VARCHAR(64) NOT NULL)');
const record = new LoadRecord();
const shape = new MessageShape(options.shape);
const halfbox = connect({ endpoints: [options.url] });
const { producer } = await halfbox.open({ producer: 'bench', dataSource });

const ended = startCallers(record, options.callers, async () => {
  const startedAt = preciseNow();
  const n = shape.next();
  const work = (manager: EntityManager) =>
    manager.query('INSERT INTO orders (id, note) VALUES (?, ?)', [`order-${n}`, 'new']);
  await producer.sendInTransaction(shape.message(n, startedAt), work);
  record.committed(startedAt);
});

record.serve({
  ended: async () => {
    await ended();
    await halfbox.close();
    await dataSource.destroy();
  },
  gathered: () => {
    const { batches, batchedItems } = producer.metrics().transactions;
    return batchedItems / batches;
  },
});
