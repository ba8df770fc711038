// @ts-check
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';
import { findProgram } from './machine.mjs';
import { freePort, startPrivateServer, temporaryFolder, untilAnswered } from './private-server.mjs';

const execute = promisify(execFile);

/** As durable as the default asks (each commit is flushed), and otherwise small and quick to start. */
const settings = [
  '--innodb-flush-log-at-trx-commit=1',
  '--innodb-buffer-pool-size=268435456',
  '--max-connections=500',
  '--skip-log-bin',
  '--skip-name-resolve',
  '--performance-schema=OFF',
];

/** @type {import('./provide.mjs').Server} */
export const mysqlServer = {
  name: 'MariaDB',
  variable: 'HALFBOX_TEST_MYSQL_URL',
  programs: ['mariadbd', 'mysqld'],
  packages: ['mariadb-server'],
  image: 'mariadb:10.11',
  startProgram,
  startContainer,
};

/** @param {string} url @returns {Promise<string>} For example `10.11.6-MariaDB` or `8.4.3`. */
export async function readVersion(url) {
  const connection = await mysql.createConnection(url);
  try {
    const [rows] = await connection.query('SELECT VERSION() AS version');
    return String(/** @type {import('mysql2').RowDataPacket[]} */ (rows)[0].version);
  } finally {
    await connection.end();
  }
}

/** @param {string} program @param {string[]} [more] Further arguments; a later one wins. */
async function startProgram(program, more = []) {
  const folder = temporaryFolder();
  try {
    const { url, args } = await prepareMysql(program, folder);
    return { url, stop: await startPrivateServer(program, [...args, ...more], folder, () => readVersion(url)) };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Makes a server's data in a folder; answers its URL and the arguments that it is to be started with, as often as wanted.
 * @param {string} program @param {string} folder
 */
export async function prepareMysql(program, folder) {
  const data = join(folder, 'data');
  await createDataFolder(program, data);
  const port = await freePort();
  const args = ['--no-defaults', ...asRoot(), `--datadir=${data}`, `--port=${port}`, '--bind-address=127.0.0.1'];
  args.push(`--socket=${join(folder, 'socket')}`, `--pid-file=${join(folder, 'pid')}`, `--tmpdir=${folder}`);
  args.push(...settings);
  return { url: `mysql://root@127.0.0.1:${port}/mysql`, args };
}

/** The server refuses to run as root unless told so. */
function asRoot() {
  return process.getuid?.() === 0 ? ['--user=root'] : [];
}

/** @param {string} program @param {string} data */
async function createDataFolder(program, data) {
  const { stdout } = await execute(program, ['--no-defaults', '--version']);
  if (!stdout.includes('MariaDB')) {
    await execute(program, ['--no-defaults', ...asRoot(), '--initialize-insecure', `--datadir=${data}`]);
    return;
  }
  const installer = findProgram(['mariadb-install-db', 'mysql_install_db']) ?? 'mariadb-install-db';
  const args = ['--no-defaults', ...asRoot(), `--datadir=${data}`, '--auth-root-authentication-method=normal'];
  // Two that make their temporary tables in one folder at once can delete each other's.
  await execute(installer, [...args, '--skip-test-db'], { env: { ...process.env, TMPDIR: dirname(data) } });
}

async function startContainer() {
  const { GenericContainer } = await import('testcontainers');
  const container = await new GenericContainer(mysqlServer.image)
    .withEnvironment({ MARIADB_ALLOW_EMPTY_ROOT_PASSWORD: '1' })
    .withCommand(settings)
    .withExposedPorts(3306)
    .start();
  const url = `mysql://root@${container.getHost()}:${container.getMappedPort(3306)}/mysql`;
  await untilAnswered(() => readVersion(url));
  return { url, stop: async () => void (await container.stop()) };
}
