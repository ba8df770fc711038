import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import type { MessageStore } from '../../src/store/message-store.js';
import { openDatabase, type StoreOptions } from '../../src/store/open-store.js';
import type { SqlDatabase } from '../../src/store/sql/database.js';
import { SqlMessageStore } from '../../src/store/sql/sql-message-store.js';
import { systemClock } from '../../src/message/clock.js';
import { ModelStore } from '../simulation/model/model-store.js';
import { Tables } from '../simulation/model/tables.js';

/** A store on a database of its own. */
export interface TestStore {
  store: MessageStore;
  /** The database below it, for what no port shows. */
  database: SqlDatabase;
  /** Opens the same store again, or another one at this address. */
  url: string;
  /**
   * A second store on the same database with connections of its own, as another node has it.
   * SQLite belongs to one process, so there it is the same store.
   */
  another(): Promise<MessageStore>;
  /** Closes it early and deletes its data; done anyway after the suite. */
  close(): Promise<void>;
}

export type StoreOpener = (options?: StoreOptions) => Promise<TestStore>;

/** Where a fresh, empty database can be made. */
export interface StoreServer {
  name: string;
  kind: 'sqlite' | 'mysql';
  /** Makes an empty place for a store and answers its URL and how to delete it. */
  provide(): Promise<{ url: string; remove: () => Promise<void> }>;
}

async function provideFile(): Promise<{ url: string; remove: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'halfbox-'));
  return {
    url: `sqlite:${join(folder, 'data', 'halfbox.db')}`,

    remove: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function onServer(serverUrl: string, statement: string): Promise<void> {
  const connection = await createConnection({ uri: serverUrl, connectTimeout: 10_000 });
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
}

async function provideSchema(variable: string): Promise<{ url: string; remove: () => Promise<void> }> {
  const serverUrl = process.env[variable];
  if (!serverUrl) throw new Error(`${variable} is not set: run the tests by \`npm test\`, which starts the servers`);
  const schema = `hb_${randomBytes(6).toString('hex')}`;
  await onServer(serverUrl, `CREATE DATABASE ${schema}`);
  const url = new URL(serverUrl);
  url.pathname = `/${schema}`;
  return { url: url.href, remove: () => onServer(serverUrl, `DROP DATABASE IF EXISTS ${schema}`) };
}

export const sqliteServer: StoreServer = { name: 'SQLite', kind: 'sqlite', provide: provideFile };

export const mysqlServer: StoreServer = {
  name: 'MySQL or MariaDB',
  kind: 'mysql',
  provide: () => provideSchema('HALFBOX_TEST_MYSQL_URL'),
};

const mysql8Server: StoreServer = {
  name: 'MySQL 8',
  kind: 'mysql',
  provide: () => provideSchema('HALFBOX_TEST_MYSQL8_URL'),
};

/** Every server that the suites run on. MySQL 8 only where one is given; the others always. */
export const storeServers: StoreServer[] = [
  sqliteServer,
  mysqlServer,
  ...(process.env['HALFBOX_TEST_MYSQL8_URL'] ? [mysql8Server] : []),
];

/** Opens a fresh store on a server; the caller closes it. */
export async function openTestStore(server: StoreServer, options: StoreOptions = {}): Promise<TestStore> {
  const place = await server.provide();
  const opened: SqlMessageStore[] = [];
  const open = async (): Promise<{ store: SqlMessageStore; database: SqlDatabase }> => {
    const database = await openDatabase(place.url, options);
    const store = new SqlMessageStore(database);
    opened.push(store);
    return { store, database };
  };
  const first = await open();
  return {
    ...first,
    url: place.url,
    another: async () => (server.kind === 'sqlite' ? first.store : (await open()).store),
    close: async () => {
      await Promise.all(opened.map((store) => store.close()));
      await place.remove();
    },
  };
}

/** A store of the conformance suite: on a server, or the model. */
export interface ConformingStore {
  store: MessageStore;
  /** What lies below it, for fixtures that write past the port. */
  below: SqlDatabase | Tables;
  /** The database. Throws for the model: what speaks SQL is not for it. */
  readonly database: SqlDatabase;
  another(): Promise<MessageStore>;
}

/** The kind of a store under the conformance suite. */
export type ConformingKind = StoreServer['kind'] | 'model';

/** `test` for what is written in SQL; nothing for the model. */
export function sqlTest(kind: ConformingKind): (name: string, work: () => Promise<void>, timeoutMs?: number) => void {
  return kind === 'model' ? () => {} : test;
}

/** The model of the simulation, with tables of its own. */
function openModel(): ConformingStore {
  const tables = new Tables(systemClock);
  let turn = 0;
  return {
    store: new ModelStore(tables),
    below: tables,
    get database(): SqlDatabase {
      throw new Error('the model has no database');
    },
    another: async () => new ModelStore(tables, ++turn),
  };
}

/**
 * As {@link describeEachStore}, and once more for the store model that the simulation runs on. What is written in SQL
 * (crashes between two steps of a verb, locks, round trips) is left out for the model: it has neither.
 */
export function describeConformance(
  name: string,
  suite: (open: () => Promise<ConformingStore>, kind: ConformingKind) => void,
): void {
  describeEachStore(name, (open, kind) => {
    suite(async () => {
      const opened = await open();
      return { store: opened.store, below: opened.database, database: opened.database, another: opened.another };
    }, kind);
  });
  describe(`${name} on the model`, () => {
    suite(async () => openModel(), 'model');
  });
}

/**
 * One conformance suite for every server. `open` gives a fresh store each time (a second or so on a server: open one
 * in `beforeAll` and give each test its own names where that will do); all of them are closed after the suite.
 */
export function describeEachStore(name: string, suite: (open: StoreOpener, kind: StoreServer['kind']) => void): void {
  for (const server of storeServers) {
    describe(`${name} on ${server.name}`, () => {
      const opened: TestStore[] = [];
      afterAll(async () => {
        for (const testStore of opened.splice(0)) await testStore.close();
      });
      suite(async (options) => {
        const testStore = await openTestStore(server, options);
        opened.push(testStore);
        return testStore;
      }, server.kind);
    });
  }
}
