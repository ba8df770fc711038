import { fileURLToPath } from 'node:url';
import { nodeFlags } from '../../children.js';
import { databasePid, freshDatabase } from '../../database.js';
import type { Peer, PeerFigures } from '../../peer.js';
import { peakMiB, residentMiB } from '../../process-usage.js';
import { redisPid } from '../../redis.js';
import type { Servers, Window } from '../../scenario.js';
import { deliveredPerSecond, measureLoad, notesOn } from '../load.js';
import { Program, withTemporaryFolder } from '../program.js';

const bodyBytes = 256;
const inFlight = 128;

/** An outbox written by hand, with NestJS, TypeORM and Bull, on the database and the Redis of the run. */
export const naiveOutbox: Peer = {
  name: 'naive-outbox',
  missing: () => null,
  run: (window, servers) =>
    withTemporaryFolder(async (folder) => {
      const database = await freshDatabase(servers.mysqlUrl);
      const queue = `halfbox-outbox-${process.pid}-${Date.now().toString(36)}`;
      const application = await startScript('application', { databaseUrl: database.url, queue }, servers, folder);
      try {
        return await measure(application, queue, window, servers, folder);
      } finally {
        await application.stop();
        await database.drop();
      }
    }),
};

function startScript(name: string, options: object, { redisUrl }: Servers, folder: string): Promise<Program> {
  const script = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  return Program.start(
    name,
    [process.execPath, ...nodeFlags, script, JSON.stringify({ ...options, redisUrl })],
    folder,
  );
}

async function measure(
  application: Program,
  queue: string,
  window: Window,
  servers: Servers,
  folder: string,
): Promise<PeerFigures> {
  const { url } = await application.event<{ url: string }>('listening');
  const brokerIdleMiB = residentMiB(application.pid);
  const load = await startScript('load', { url, queue, inFlight, bodyBytes, ...window }, servers, folder);
  try {
    const pids = {
      application: application.pid,
      database: await databasePid(servers.mysqlUrl),
      redis: await redisPid(servers.redisUrl),
    };
    const figures = await measureLoad(load, pids, window);
    return {
      transactionalPerSecond: deliveredPerSecond(figures),
      endToEndMs: figures.endToEndMs,
      brokerIdleMiB,
      brokerPeakMiB: peakMiB(application.pid),
      cpuMicrosPerMessage: figures.cpuMicrosPerMessage,
      version: 'NestJS, TypeORM and Bull of this repository',
      durability: 'MariaDB of the run, each commit flushed',
      notes: notesOn(`${inFlight} in flight`, figures),
    };
  } finally {
    await load.stop();
  }
}
