import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker, type Broker } from '../children.js';
import { freshDatabase } from '../database.js';
import { measure } from '../measure.js';
import type { Figures } from '../figures.js';
import type { Scenario, Servers, Window } from '../scenario.js';

const bodyBytes = 256;
const callers = 64;

type Database = { type: 'mysql'; url: string } | { type: 'sqlite'; folder: string };

/** A broker on MariaDB, an application process that sends, and a consumer that pulls. */
async function run(servers: Servers, window: Window, database: Database): Promise<Figures> {
  return measure(
    {
      store: 'mysql',
      redis: false,
      startLoad: ({ url }: Broker) => new Worker('load-local', { url, callers, bodyBytes, database }),
      consumer: {
        group: 'pull',
        subscription: { mode: 'pull', maxInFlight: 2000 },
        start: ({ url }) => new Worker('consume-pull', { url, max: 200, connections: 2 }),
      },
    },
    servers,
    window,
    async (loader) => ({ gathered: await loader.call<number>('gathered') }),
  );
}

const onSqlite: Scenario = {
  name: `sendInTransaction, SQLite application, ${callers} in flight → batched pull`,
  run: (servers, window) => {
    const folder = mkdtempSync(join(tmpdir(), 'halfbox-bench-application-'));
    return run(servers, window, { type: 'sqlite', folder });
  },
};

const onMariaDb: Scenario = {
  name: `sendInTransaction, MariaDB application, ${callers} in flight → batched pull`,
  run: async (servers, window) => {
    const database = await freshDatabase(servers.mysqlUrl);
    try {
      return await run(servers, window, { type: 'mysql', url: database.url });
    } finally {
      await database.drop();
    }
  },
};

/** What an application reaches whose messages follow local transactions in a database of its own. */
export const localScenarios: Scenario[] = [onSqlite, onMariaDb];
