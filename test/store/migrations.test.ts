import { createConnection } from 'mysql2/promise';
import { migrate, openDatabase, openStore } from '../../src/store/open-store.js';
import type { SqlDatabase } from '../../src/store/sql/database.js';
import { migrations } from '../../migrations/index.js';
import { mysqlServer, storeServers, type StoreServer } from './databases.js';

const known = migrations.map((migration) => new migration().name);

async function applied(database: SqlDatabase): Promise<string[]> {
  const [found] = await database.read({ sql: 'SELECT name FROM halfbox_migration ORDER BY timestamp' });
  return found!.rows.map((row) => String(row['name']));
}

async function runAll(database: SqlDatabase, ...statements: string[]): Promise<void> {
  for (const sql of statements) await database.transaction((session) => session.finish({ sql }));
}

/** Runs a test on a fresh place for a store, and deletes it. */
async function onFresh(server: StoreServer, test: (url: string) => Promise<void>): Promise<void> {
  const place = await server.provide();
  try {
    await test(place.url);
  } finally {
    await place.remove();
  }
}

for (const server of storeServers) {
  describe(`migrations on ${server.name}`, () => {
    it('run apart, and then have nothing left to do', async () => {
      await onFresh(server, async (url) => {
        expect(await migrate(url)).toEqual(known);
        expect(await migrate(url)).toEqual([]);
        const database = await openDatabase(url);
        expect(await applied(database)).toEqual(known);
        await database.close();
      });
    });

    it('refuse a schema that is newer than this version', async () => {
      await onFresh(server, async (url) => {
        const database = await openDatabase(url);
        await runAll(
          database,
          "INSERT INTO halfbox_migration (timestamp, name) VALUES (9999999999999, 'FromTheFuture9999999999999')",
        );
        await database.close();
        await expect(openStore(url)).rejects.toThrow(/newer than this version of halfbox.*FromTheFuture9999999999999/);
        await expect(migrate(url)).rejects.toThrow(/newer than this version/);
      });
    });
  });
}

const networked = storeServers.filter((server) => server.kind === 'mysql');
for (const server of networked) {
  describe(`migrations on ${server.name}, shared by nodes`, () => {
    it('run once when nodes start together', async () => {
      await onFresh(server, async (url) => {
        const databases = await Promise.all([url, url, url].map((each) => openDatabase(each, { poolSize: 1 })));
        for (const database of databases) expect(await applied(database)).toEqual(known);
        await Promise.all(databases.map((database) => database.close()));
      });
    });

    it('wait a bounded time for another node', async () => {
      await onFresh(server, async (url) => {
        await migrate(url);
        const holder = await createConnection(url);
        const [held] = await holder.query("SELECT GET_LOCK(CONCAT('halfbox_', SHA1(DATABASE())), 0) AS taken");
        expect(held).toEqual([{ taken: 1 }]);
        await expect(openStore(url, { migrationWaitSecondsMax: 1 })).rejects.toThrow(/changing the schema/);
        await holder.end();
        await (await openStore(url, { migrationWaitSecondsMax: 1 })).close();
      });
    });

    it('are finished after a run that was cut off in the middle', async () => {
      await onFresh(server, async (url) => {
        const database = await openDatabase(url);
        const schema = async () => {
          const [columns, indexes] = await database.read(
            {
              sql: `SELECT table_name AS t, column_name AS c, column_type AS y FROM information_schema.columns
                WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position`,
            },
            {
              sql: `SELECT table_name AS t, index_name AS i, column_name AS c FROM information_schema.statistics
                WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index`,
            },
          );
          return [columns!.rows, indexes!.rows];
        };
        const complete = await schema();
        await runAll(
          database,
          'DELETE FROM halfbox_migration',
          'DROP TABLE halfbox_dead_letter',
          'DROP INDEX halfbox_retry_key ON halfbox_retry',
          'DROP TABLE halfbox_node',
        );
        expect(await migrate(url)).toEqual(known);
        expect(await schema()).toEqual(complete);
        await database.close();
      });
    });
  });
}

describe('the URL of a store', () => {
  it('names a database that is created where it is missing', async () => {
    await onFresh(mysqlServer, async (url) => {
      const server = await createConnection(url);
      await server.query(`DROP DATABASE ${new URL(url).pathname.slice(1)}`);
      await server.end();
      await (await openStore(url)).close();
    });
  });

  it.each(storeServers)('is told of when nothing was there, and not again, on $name', async (server) => {
    await onFresh(server, async (url) => {
      if (server.kind === 'mysql') {
        const connection = await createConnection(url);
        await connection.query(`DROP DATABASE ${new URL(url).pathname.slice(1)}`);
        await connection.end();
      }
      const created: string[] = [];
      for (let starts = 0; starts < 2; starts += 1) {
        await (await openStore(url, { onCreated: (place) => created.push(place) })).close();
      }
      expect(created).toHaveLength(1);
      expect(created[0]).toContain(server.kind === 'mysql' ? new URL(url).pathname : 'halfbox.db');
    });
  });

  it('may say mariadb or mysql, whichever the server is', async () => {
    await onFresh(mysqlServer, async (url) => {
      for (const scheme of ['mysql:', 'mariadb:']) {
        const store = await openStore(url.replace(/^\w+:/, scheme));
        expect(store.description).toMatch(/^(MySQL|MariaDB) /);
        await store.close();
      }
    });
  });

  it.each([
    ['postgres://user:secret@localhost/db', /sqlite:, mysql:\/\/ or mariadb:\/\/, not postgres$/],
    ['mysql://user:secret@localhost/db?sslmode=on', /unknown parameter sslmode/],
    ['mysql://user:secret@localhost/db?ssl=maybe', /ssl is true or false/],
    ['mysql://user:secret@127.0.0.1:1/db', /cannot connect to 127\.0\.0\.1:1\/db as user \(ECONNREFUSED\)/],
    ['mysql://user:secret@localhost/a`b', /not a database name/],
    ['sqlite:', /needs a file/],
    ['sqlite:/dev/null/halfbox.db', /cannot be created/],
  ])('is refused when it is %s, without its password', async (url, message) => {
    const error: unknown = await openStore(url).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'StoreStartError', message: expect.stringMatching(message) as string });
    expect(String(error)).not.toContain('secret');
  });
});
