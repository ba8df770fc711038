import { parseMysqlUrl } from '../../../src/store/mysql/mysql-address.js';
import { mysqlDataSource } from '../../../src/store/mysql/mysql-data-source.js';
import { detectServer } from '../../../src/store/mysql/mysql-server.js';
import { mysqlServer, openTestStore } from '../databases.js';

it('no statement is prepared, and connections keep no room for those of mysql2’s default', async () => {
  const { url, close } = await openTestStore(mysqlServer);
  const address = parseMysqlUrl(url);
  const server = await detectServer(address, 10_000);
  const source = mysqlDataSource(address, server, {
    poolSize: 1,
    connectTimeoutMs: 10_000,
    multipleStatements: true,
    migrations: [],
  });
  await source.initialize();
  try {
    const { pool } = source.driver as unknown as { pool: { config: { connectionConfig: object } } };
    expect(pool.config.connectionConfig).toMatchObject({ maxPreparedStatements: 1 });
    await source.query('SELECT * FROM halfbox_subscription WHERE topic = ?', ['none']);
    const prepared = (await source.query(`SHOW SESSION STATUS LIKE 'Com_stmt_prepare'`)) as { Value: string }[];
    expect(prepared.map(({ Value }) => Number(Value))).toEqual([0]);
  } finally {
    await source.destroy();
    await close();
  }
});
