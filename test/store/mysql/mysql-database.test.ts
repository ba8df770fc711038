import { createConnection } from 'mysql2/promise';
import { mysqlServer, openTestStore, type TestStore } from '../databases.js';

describe('MySQL or MariaDB database', () => {
  let opened: TestStore;
  const observed: { kind: string; statements: number }[] = [];

  beforeAll(async () => {
    opened = await openTestStore(mysqlServer, {
      poolSize: 4,
      onStatement: (kind, _durationMs, statements) => observed.push({ kind, statements }),
    });
    await opened.database.transaction((session) =>
      session.finish({
        sql: 'CREATE TABLE probe (id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, n BIGINT, b LONGBLOB, t MEDIUMTEXT CHARACTER SET utf8mb4) ENGINE=InnoDB',
      }),
    );
  });
  afterAll(() => opened.close());

  const put = (id: string, n?: number) => ({ sql: 'INSERT INTO probe (id, n) VALUES (?, ?)', params: [id, n] });
  const read = async (id: string) =>
    (await opened.database.read({ sql: 'SELECT * FROM probe WHERE id = ?', params: [id] }))[0]!.rows;

  it('says what it is connected to, without credentials', () => {
    expect(opened.store.description).toMatch(/^(MariaDB|MySQL) \d+\.\d+\.\d+ at [\w.]+:\d+\/hb_\w+$/);
    expect(opened.database.statementBytesMax).toBeGreaterThan(500_000);
  });

  it('gives whole numbers as numbers, bytes as bytes and text as it was', async () => {
    const text = 'Grüße \u{1f600} \' " \\ \0 \n % _ ; -- ?';
    const bytes = Buffer.from([0, 1, 2, 39, 92, 255]);
    await opened.database.transaction((session) =>
      session.finish({
        sql: 'INSERT INTO probe (id, n, b, t) VALUES (?, ?, ?, ?)',
        params: ['types', 1_700_000_000_123, bytes, text],
      }),
    );
    expect(await read('types')).toEqual([{ id: 'types', n: 1_700_000_000_123, b: bytes, t: text }]);
    const [sum] = await opened.database.read({
      sql: 'SELECT COUNT(*) AS c, SUM(n) AS s FROM probe WHERE id = ?',
      params: ['types'],
    });
    expect(sum!.rows).toEqual([{ c: 1, s: 1_700_000_000_123 }]);
  });

  it('answers several statements in their order', async () => {
    const results = await opened.database.transaction(async (session) => {
      const first = await session.run(put('m1', 1), { sql: 'SELECT n FROM probe WHERE id = ?', params: ['m1'] });
      const last = await session.finish({ sql: 'UPDATE probe SET n = 1 WHERE id = ?', params: ['m1'] }, put('m2'));
      return [...first, ...last];
    });
    expect(results).toEqual([
      { rows: [], affectedRows: 1 },
      { rows: [{ n: 1 }], affectedRows: 1 },
      { rows: [], affectedRows: 1 },
      { rows: [], affectedRows: 1 },
    ]);
    expect(await read('m2')).toHaveLength(1);
  });

  it('commits nothing of a finish that failed in the middle', async () => {
    const failed = opened.database.transaction((session) => session.finish(put('f1'), put('m1'), put('f2')));
    const error: unknown = await failed.catch((reason: unknown) => reason);
    expect(opened.database.isDuplicate(error)).toBe(true);
    expect(await read('f1')).toEqual([]);
    expect(await read('f2')).toEqual([]);
  });

  it('refuses what does not fit', async () => {
    await expect(opened.database.transaction((session) => session.finish(put('x'.repeat(65))))).rejects.toThrow();
  });

  it('splits what is larger than one packet', async () => {
    const [row] = (await opened.database.read({ sql: 'SELECT @@max_allowed_packet AS bytes' }))[0]!.rows;
    const part = 'x'.repeat(Math.floor(Number(row!['bytes']) * 0.4));
    await opened.database.transaction((session) =>
      session.finish(
        ...['p1', 'p2', 'p3'].map((id) => ({ sql: 'INSERT INTO probe (id, t) VALUES (?, ?)', params: [id, part] })),
      ),
    );
    const [count] = (
      await opened.database.read({ sql: "SELECT SUM(LENGTH(t)) AS bytes FROM probe WHERE id IN ('p1','p2','p3')" })
    )[0]!.rows;
    expect(count!['bytes']).toBe(part.length * 3);
  });

  it('runs a transaction again after a deadlock', async () => {
    await opened.database.transaction((session) => session.finish(put('d1', 0), put('d2', 0)));
    const add = (id: string) => ({ sql: 'UPDATE probe SET n = n + 1 WHERE id = ?', params: [id] });
    let met: () => void = () => undefined;
    const bothHoldOne = new Promise<void>((resolve) => (met = resolve));
    let holders = 0;
    let runs = 0;
    const crossing = (first: string, second: string) =>
      opened.database.transaction(async (session) => {
        runs += 1;
        await session.run(add(first));
        if (++holders === 2) met();
        await bothHoldOne;
        await session.run(add(second));
      });
    await Promise.all([crossing('d1', 'd2'), crossing('d2', 'd1')]);
    expect(runs).toBe(3);
    expect((await read('d1'))[0]!['n']).toBe(2);
    expect((await read('d2'))[0]!['n']).toBe(2);
  });

  it('runs a transaction again even when its work hid the deadlock', async () => {
    let runs = 0;
    await opened.database.transaction(async (session) => {
      runs += 1;
      await session.run(put(`hidden${runs}`));
      const failing = { sql: "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'on purpose'" };
      if (runs === 1) await session.run(failing).catch(() => undefined);
    });
    expect(runs).toBe(2);
    expect(await read('hidden1')).toEqual([]);
    expect(await read('hidden2')).toHaveLength(1);
  });

  it('answers unavailable when its connection is killed, and goes on with a new one', async () => {
    const killer = await createConnection(opened.url);
    const failed = opened.database.transaction(async (session) => {
      const [result] = await session
        .run(put('killed'), { sql: 'SELECT CONNECTION_ID() AS id' })
        .then((all) => all.slice(1));
      await killer.query(`KILL ${Number(result!.rows[0]!['id'])}`);
      await session.run(put('killed2'));
    });
    await expect(failed).rejects.toMatchObject({ slug: 'unavailable', retryAfterMs: 1_000 });
    await killer.end();
    expect(await read('killed')).toEqual([]);
  });

  it('bounds what waits for a connection', async () => {
    const small = await openTestStore(mysqlServer, { poolSize: 1, transactionsWaitingMax: 1, connectionWaitMsMax: 50 });
    await small.database.transaction(async (session) => {
      await session.run({ sql: 'SELECT 1' });
      const waiting = small.database.read({ sql: 'SELECT 1' });
      await expect(small.database.read({ sql: 'SELECT 1' })).rejects.toMatchObject({ slug: 'overloaded' });
      await expect(waiting).rejects.toMatchObject({ slug: 'unavailable' });
    });
    expect((await small.database.read({ sql: 'SELECT 1 AS one' }))[0]!.rows).toEqual([{ one: 1 }]);
    await small.close();
  });

  it('gives a statement up that the server does not answer in time', async () => {
    const impatient = await openTestStore(mysqlServer, { statementTimeoutMs: 200 });
    await expect(impatient.database.read({ sql: 'SELECT SLEEP(5)' })).rejects.toMatchObject({ slug: 'unavailable' });
    await impatient.close();
  });

  it('sets every connection to strict mode, UTC and READ COMMITTED', async () => {
    const settings = () =>
      opened.database.transaction(async (session) => {
        const [result] = await session.run({
          sql: 'SELECT @@sql_mode AS mode, @@time_zone AS zone, @@character_set_client AS charset, @@wait_timeout AS idle',
        });
        const [level] = await session.run({
          sql: "SHOW VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')",
        });
        return { ...result!.rows[0], level: level!.rows[0]!['Value'] as string };
      });
    for (const row of await Promise.all([settings(), settings(), settings(), settings()])) {
      expect(row).toEqual({
        mode: 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
        zone: '+00:00',
        charset: 'utf8mb4',
        idle: 180,
        level: 'READ-COMMITTED',
      });
    }
  });

  it("tells the server's time in milliseconds", async () => {
    expect(Math.abs((await opened.database.now()) - Date.now())).toBeLessThan(5_000);
  });

  it('tells an observer of every read and transaction', async () => {
    observed.length = 0;
    await read('types');
    await opened.database.transaction((session) => session.finish(put('o1'), put('o2')));
    expect(observed).toEqual([
      { kind: 'read', statements: 1 },
      { kind: 'transaction', statements: 4 },
    ]);
  });

  it('answers unavailable once closed', async () => {
    const other = await openTestStore(mysqlServer);
    await other.close();
    await expect(other.database.read({ sql: 'SELECT 1' })).rejects.toMatchObject({ slug: 'unavailable' });
  });
});
