// @ts-check
import { execFile } from 'node:child_process';
import { chownSync, existsSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { findProgram } from './machine.mjs';
import { freePort, startPrivateServer, temporaryFolder, untilAnswered } from './private-server.mjs';

const execute = promisify(execFile);
const stopMsMax = 5_000;

/** As durable as the default (each commit is flushed), and otherwise small and quick to start. */
const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '64MB',
  // With the rest of the data, so that it is deleted with it.
  dynamic_shared_memory_type: 'mmap',
};

/** @type {import('./provide.mjs').Server} */
export const postgresServer = {
  name: 'PostgreSQL',
  variable: 'HALFBOX_TEST_POSTGRES_URL',
  programs: ['postgres'],
  packages: ['postgresql'],
  image: 'postgres:15',
  startProgram,
  startContainer,
};

/** @param {string} url @returns {Promise<string>} For example `15.6`. */
export async function readPostgresVersion(url) {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  // The rejected call below says the same.
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query('SHOW server_version');
    return String(rows[0].server_version);
  } finally {
    await client.end();
  }
}

/** @param {string} program @param {string[]} [more] Further arguments; a later one wins. */
async function startProgram(program, more = []) {
  const folder = temporaryFolder();
  const data = join(folder, 'data');
  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const given = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  /** @type {() => Promise<void>} */
  let kill;
  try {
    const asUser = asOrdinaryUser(folder);
    // Debian keeps initdb beside the server, and neither on the PATH.
    const initdb = join(dirname(realpathSync(program)), 'initdb');
    const how = ['--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
    const [create, ...createArgs] = [...asUser, initdb, `--pgdata=${data}`, ...how];
    await execute(create, createArgs, { cwd: folder });
    const [command, ...args] = [...asUser, program, '-D', data, '-p', String(port), ...given, ...more];
    kill = await startPrivateServer(command, args, folder, () => readPostgresVersion(url));
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    url,
    stop: async () => {
      await quit(join(data, 'postmaster.pid'));
      await kill();
    },
  };
}

/** Ends the server at once, but lets it give its shared memory back, which outlives a server that is killed. @param {string} pidFile */
async function quit(pidFile) {
  if (!existsSync(pidFile)) return;
  process.kill(Number(readFileSync(pidFile, 'utf8').split('\n')[0]), 'SIGQUIT');
  const deadline = Date.now() + stopMsMax;
  while (existsSync(pidFile) && Date.now() < deadline) await delay(10);
}

/**
 * What to put before a command. PostgreSQL refuses to run as root: then it runs as `postgres`, or where there is no such
 * user as `nobody`, and the folder is made theirs.
 * @param {string} folder
 * @returns {string[]}
 */
function asOrdinaryUser(folder) {
  if (process.getuid?.() !== 0) return [];
  const setpriv = findProgram(['setpriv']);
  if (setpriv === null)
    throw new Error('PostgreSQL does not run as root, and there is no setpriv to become another user');
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const user = ['postgres', 'nobody'].map((name) => users.find(([each]) => each === name)).find(Boolean);
  if (user === undefined) throw new Error('PostgreSQL does not run as root, and there is no user postgres or nobody');
  const [, , uid, gid] = user;
  chownSync(folder, Number(uid), Number(gid));
  // Becoming another user takes back the signal at the parent's end that the caller may have asked for.
  return [setpriv, '--reuid', uid, '--regid', gid, '--clear-groups', '--pdeathsig', 'KILL'];
}

async function startContainer() {
  const { GenericContainer } = await import('testcontainers');
  const container = await new GenericContainer(postgresServer.image)
    .withEnvironment({ POSTGRES_HOST_AUTH_METHOD: 'trust' })
    .withExposedPorts(5432)
    .start();
  const url = `postgres://postgres@${container.getHost()}:${container.getMappedPort(5432)}/postgres`;
  await untilAnswered(() => readPostgresVersion(url));
  return { url, stop: async () => void (await container.stop()) };
}
