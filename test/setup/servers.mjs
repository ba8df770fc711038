// @ts-check
import { thisMachine } from './machine.mjs';
import { mysqlServer, readVersion } from './mysql-server.mjs';
import { postgresServer, readPostgresVersion } from './postgres-server.mjs';
import { provide } from './provide.mjs';
import { ping, redisServer } from './redis-server.mjs';

/** @type {import('./provide.mjs').Running[]} */
const started = [];

/** Jest's global set-up: the suites, in their own processes, find the servers through these environment variables. */
export async function startServers() {
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    // The exit handler of private-server.mjs kills what is left when this takes too long or is interrupted again.
    process.once(signal, () => void stopServers().finally(() => process.exit(130)));
  }
  try {
    for (const server of [mysqlServer, postgresServer, redisServer]) {
      const running = await provide(server, thisMachine);
      started.push(running);
      process.env[server.variable] = running.url;
    }
    await checkServers();
  } catch (error) {
    await stopServers();
    throw error;
  }
}

/** Jest's global tear-down. */
export async function stopServers() {
  await Promise.all(started.splice(0).map((running) => running.stop()));
}

/** A server that was named and does not answer is told of here, once, and not by every suite. */
async function checkServers() {
  const version = await asked('HALFBOX_TEST_MYSQL_URL', readVersion);
  await asked('HALFBOX_TEST_POSTGRES_URL', readPostgresVersion);
  await asked('HALFBOX_TEST_REDIS_URL', ping);
  const isMariadb = version.includes('MariaDB');
  const namesMysql8 = Boolean(process.env.HALFBOX_TEST_MYSQL8_URL);
  if (namesMysql8) await asked('HALFBOX_TEST_MYSQL8_URL', readVersion);
  process.env.HALFBOX_TEST_NOT_RUN = [
    ...(isMariadb ? [] : ['MariaDB: not run (set HALFBOX_TEST_MYSQL_URL)']),
    ...(namesMysql8 || version.startsWith('8.') ? [] : ['MySQL 8: not run (set HALFBOX_TEST_MYSQL8_URL)']),
  ].join('\n');
}

/**
 * @template T
 * @param {string} variable
 * @param {(url: string) => Promise<T>} ask
 */
async function asked(variable, ask) {
  try {
    return await ask(String(process.env[variable]));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`The server of ${variable} does not answer: ${reason}`, { cause });
  }
}
