import { rmSync } from 'node:fs';
import { DataSource, type DataSourceOptions, type EntityManager } from 'typeorm';
import {
  connect,
  Fence,
  HalfboxClientTables1700000000101,
  SqlLocalTransactions,
  TransactionSender,
} from '../../src/client/index.js';
import { preciseNow, serveCalls, workerOptions } from './serve-calls.js';

/**
 * Closed-loop load of an application with a database of its own: so many callers in one process, each of them in one
 * `sendInTransaction` at a time, whose work inserts a row.
 */
const options = workerOptions<{
  url: string;
  callers: number;
  bodyBytes: number;
  /** Of the application: a MariaDB URL, or the folder of a SQLite file, which is removed at the end. */
  database: { type: 'mysql'; url: string } | { type: 'sqlite'; folder: string };
}>();

let committed = 0;
let errors = 0;
let halted = false;
let sequence = 0;

async function sourceOptions(): Promise<DataSourceOptions> {
  const { database } = options;
  const common = { migrations: [HalfboxClientTables1700000000101], migrationsRun: true };
  if (database.type === 'mysql') return { ...common, type: 'mysql', url: database.url, poolSize: options.callers };
  const driver: unknown = (await import('libsql')).default;
  return {
    ...common,
    type: 'better-sqlite3',
    driver,
    database: `${database.folder}/application.db`,
    enableWAL: true,
  } as DataSourceOptions;
}

const dataSource = await new DataSource(await sourceOptions()).initialize();
await dataSource.query('CREATE TABLE orders (id VARCHAR(64) NOT NULL PRIMARY KEY, note VARCHAR(64) NOT NULL)');
const halfbox = connect({ endpoints: [options.url] });
const transactions = new TransactionSender(halfbox.caller);
const fence = new Fence(dataSource, { instance: `bench-${process.pid}` });
const localTransactions = new SqlLocalTransactions(fence, transactions, { producer: 'bench' });
const producer = halfbox.producer('bench', { instance: fence.instance, transactions, localTransactions });
const padding = 'x'.repeat(options.bodyBytes - 32);

async function caller(): Promise<void> {
  while (!halted) {
    const id = `order-${(sequence += 1)}`;
    const work = (manager: EntityManager) => manager.query('INSERT INTO orders (id, note) VALUES (?, ?)', [id, 'new']);
    try {
      await producer.sendInTransaction({ topic: 'bench', body: { t: preciseNow(), p: padding } }, work);
      committed += 1;
    } catch {
      errors += 1;
    }
  }
}

const callers = Array.from({ length: options.callers }, caller);

serveCalls({
  begin: () => ({ committed, errors }),
  end: () => ({ committed, errors, prepareMs: [], commitMs: [] }),
  gathered: () => {
    const { batches, batchedItems } = producer.metrics().transactions;
    return batchedItems / batches;
  },
  halt: async () => {
    halted = true;
    await Promise.all(callers);
    await halfbox.close();
    await fence.stop();
    await dataSource.destroy();
    if (options.database.type === 'sqlite') rmSync(options.database.folder, { recursive: true, force: true });
    return { committed, errors };
  },
});
