import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { clientTables } from '../../../src/client/local/tables.js';
import { HalfboxClientTables1700000000101 } from '../../../src/client/local/migration.js';
import { applicationServers, type ApplicationDatabase } from './application-database.js';
import { insertOrder, message, Shop } from './shop.js';

const execute = promisify(execFile);
const main = join(__dirname, '../../../dist/src/main.js');
const clientSql = (...args: string[]) => execute(process.execPath, [main, 'client-sql', ...args]);

describe.each(applicationServers)('the tables on $name', ({ provide, dialect }) => {
  let database: ApplicationDatabase;

  beforeEach(async () => {
    database = await provide();
  });
  afterEach(() => database.close());

  test('come and go by the migration', async () => {
    const dataSource = await database.open({ migrations: [HalfboxClientTables1700000000101] });
    const [ran] = await dataSource.runMigrations();
    expect(ran!.name).toBe('HalfboxClientTables1700000000101');
    for (const { name } of clientTables) expect(await dataSource.query(`SELECT * FROM ${name}`)).toEqual([]);
    await dataSource.undoLastMigration();
    for (const { name } of clientTables) await expect(dataSource.query(`SELECT * FROM ${name}`)).rejects.toThrow(name);
  });

  test('are made by what `halfbox client-sql` prints, also a second time', async () => {
    const { stdout } = await clientSql('--dialect', dialect);
    const dataSource = await database.open();
    for (let time = 0; time < 2; time += 1) {
      for (const statement of stdout.split(/;\n/).filter(Boolean)) await dataSource.query(statement);
    }
    await dataSource.query('CREATE TABLE shop_order (id VARCHAR(64), note VARCHAR(64))');
    const shop = new Shop(dataSource);
    const { transactionId } = await shop.transactions.sendInTransaction(message, insertOrder('a'));
    expect(await shop.rows()).toEqual({ [transactionId]: 'committed' });
    await shop.fence.stop();
  });
});

test('on PostgreSQL they can lie in a schema of their own', async () => {
  const postgres = applicationServers.find(({ dialect }) => dialect === 'postgres')!;
  const database = await postgres.provide();
  const direct = await database.open();
  await direct.query('CREATE SCHEMA "Shop"');
  await direct.query('CREATE TABLE shop_order (id VARCHAR(64), note VARCHAR(64))');
  const migrations = [HalfboxClientTables1700000000101];
  const dataSource = await database.open({ schema: 'Shop', migrations });
  await dataSource.runMigrations();
  const shop = new Shop(dataSource);
  const { transactionId } = await shop.transactions.sendInTransaction(message, insertOrder('a'));
  expect(await direct.query('SELECT transaction_id FROM "Shop".halfbox_fence')).toEqual([
    { transaction_id: transactionId },
  ]);
  expect(await shop.ask(transactionId)).toBe('commit');
  expect(await shop.ask('tx-other')).toBe('rollback');
  await shop.fence.stop();
  const { stdout } = await clientSql('--dialect', 'postgres', '--schema', 'Shop');
  for (const statement of stdout.split(/;\n/).filter(Boolean)) await direct.query(statement);
  await database.close();
});

test.each([[[]], [['--dialect', 'oracle']]])('`halfbox client-sql` needs a dialect that it knows: %j', async (args) => {
  await expect(clientSql(...args)).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('--dialect') });
});
