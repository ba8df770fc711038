import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pullConsumer } from '../consumers.js';
import { freshDatabase } from '../database.js';
import type { Figures } from '../figures.js';
import { measure } from '../measure.js';
import { Rig } from '../rig.js';
import type { Scenario, Trial } from '../scenario.js';

const shape = { bodyBytes: 256 };
const callers = 64;

type Database = { type: 'mysql'; url: string } | { type: 'sqlite'; file: string };

/** A broker on MariaDB, an application process that sends, and a consumer that pulls. */
async function run({ servers, window }: Trial, database: Database): Promise<Figures> {
  return Rig.use(servers, { store: 'mysql' }, async (rig) => {
    const consumer = await pullConsumer(rig);
    const load = rig.worker('load', 'load-local', { url: rig.url, callers, shape, database });
    return measure(rig, { loads: [load], consumers: [consumer] }, window);
  });
}

/** What an application reaches whose messages follow local transactions in a database of its own. */
export const local: Scenario[] = [
  {
    id: 'local/sqlite',
    title: `sendInTransaction, SQLite application, ${callers} in flight → batched pull`,
    async run(trial) {
      const folder = mkdtempSync(join(tmpdir(), 'halfbox-bench-application-'));
      try {
        return await run(trial, { type: 'sqlite', file: join(folder, 'application.db') });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  },
  {
    id: 'local/mysql',
    title: `sendInTransaction, application on the same MariaDB, ${callers} in flight → batched pull`,
    async run(trial) {
      const database = await freshDatabase(trial.servers.mysqlUrl);
      try {
        return await run(trial, { type: 'mysql', url: database.url });
      } finally {
        await database.drop();
      }
    },
  },
];
