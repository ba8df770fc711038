import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openStore } from '../../../src/store/open-store.js';
import { openTestStore, sqliteServer, type TestStore } from '../databases.js';

describe('SQLite database', () => {
  let opened: TestStore;

  beforeAll(async () => {
    opened = await openTestStore(sqliteServer);
    await opened.database.transaction((session) =>
      session.run({ sql: 'CREATE TABLE probe (id TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID' }),
    );
  });
  afterAll(() => opened.close());

  const put = (id: string, n?: number) => ({ sql: 'INSERT INTO probe (id, n) VALUES (?, ?)', params: [id, n] });
  const count = async (id: string): Promise<number> =>
    Number(
      (await opened.database.read({ sql: 'SELECT COUNT(*) AS n FROM probe WHERE id = ?', params: [id] }))[0]!.rows[0]![
        'n'
      ],
    );

  it('refuses a database in memory', async () => {
    await expect(openStore('sqlite::memory:')).rejects.toThrow(/needs a file/);
  });

  it('writes undefined as NULL', async () => {
    await opened.database.transaction((session) => session.finish(put('null')));
    const [result] = await opened.database.read({ sql: "SELECT n FROM probe WHERE id = 'null'" });
    expect(result!.rows).toEqual([{ n: null }]);
  });

  it('rolls back what a failed transaction wrote and tells a duplicate', async () => {
    const failed = opened.database.transaction(async (session) => {
      await session.run(put('gone'));
      await session.run(put('null'));
    });
    const error: unknown = await failed.catch((reason: unknown) => reason);
    expect(opened.database.isDuplicate(error)).toBe(true);
    expect(await count('gone')).toBe(0);
  });

  it('runs overlapping transactions one after another', async () => {
    const order: string[] = [];
    const one = (name: string, fails: boolean) =>
      opened.database.transaction(async (session) => {
        order.push(`${name}+`);
        await session.run(put(name));
        await new Promise((resolve) => setImmediate(resolve));
        order.push(`${name}-`);
        if (fails) throw new Error('on purpose');
      });
    const results = await Promise.allSettled([one('a', false), one('b', true), one('c', false)]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(order).toEqual(['a+', 'a-', 'b+', 'b-', 'c+', 'c-']);
    expect([await count('a'), await count('b'), await count('c')]).toEqual([1, 0, 1]);
  });

  it('does not read what is not committed', async () => {
    await opened.database.transaction(async (session) => {
      await session.run(put('open'));
      expect(await count('open')).toBe(0);
    });
    expect(await count('open')).toBe(1);
  });

  it('refuses a write on the reading connection', async () => {
    await expect(opened.database.read(put('reader'))).rejects.toMatchObject({ slug: 'unavailable' });
  });

  it('refuses a second broker on the same file', async () => {
    await expect(openStore(opened.url)).rejects.toThrow(/in use by another broker/);
  });

  it('is free again when the process that had it was killed', async () => {
    const other = await openTestStore(sqliteServer);
    const url = other.url;
    await other.database.close();
    const lockPath = `${url.slice('sqlite:'.length)}.lock`;
    const holder = spawn(process.execPath, [
      '-e',
      `const D = require('libsql'); new D(process.argv[1]).exec('BEGIN EXCLUSIVE'); console.log('held'); setInterval(() => {}, 1000);`,
      lockPath,
    ]);
    await once(holder.stdout, 'data');
    await expect(openStore(url)).rejects.toThrow(/in use by another broker/);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const again = await openStore(url);
    await again.close();
    await other.close();
  });

  it('answers unavailable once closed', async () => {
    const other = await openTestStore(sqliteServer);
    await other.close();
    await expect(other.database.read({ sql: 'SELECT 1' })).rejects.toMatchObject({ slug: 'unavailable' });
    await expect(other.database.transaction((session) => session.finish({ sql: 'SELECT 1' }))).rejects.toMatchObject({
      slug: 'unavailable',
    });
  });
});
