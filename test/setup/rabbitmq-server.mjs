// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { findProgram } from './machine.mjs';
import {
  diesWithThisProcess,
  freePort,
  startPrivateServer,
  temporaryFolder,
  untilAnswered,
} from './private-server.mjs';

/** @type {import('./provide.mjs').Server} */
export const rabbitmqServer = {
  name: 'RabbitMQ',
  variable: 'HALFBOX_TEST_RABBITMQ_URL',
  programs: ['rabbitmq-server'],
  packages: ['rabbitmq-server'],
  image: 'rabbitmq:3.10',
  startProgram,
  startContainer,
};

/** @param {string} url */
export async function askRabbitmq(url) {
  const connection = await connect(url, { timeout: 2_000 });
  await connection.close();
}

/**
 * One private node: where its data lies and what it listens on stays the same over restarts.
 * @typedef {object} RabbitmqNode
 * @property {string} url
 * @property {string} program
 * @property {NodeJS.ProcessEnv} env
 * @property {() => Promise<void>} stopNames Ends its name server.
 */

/**
 * A node of its own beside any other RabbitMQ of the machine: with its own Erlang name server (epmd), ports, cookie and
 * files, all of them on loopback and in the folder.
 * @param {string} program
 * @param {string} folder
 * @returns {Promise<RabbitmqNode>}
 */
export async function prepareRabbitmq(program, folder) {
  const [port, distributionPort, namesPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const home = join(folder, 'home');
  mkdirSync(home);
  const env = {
    ...process.env,
    HOME: home,
    ERL_EPMD_PORT: String(namesPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `halfbox-test-${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    RABBITMQ_CONFIG_FILE: join(folder, 'config'),
    RABBITMQ_CONF_ENV_FILE: join(folder, 'environment'),
    // The script then becomes the server instead of waiting beside it, so that the process started is the one to kill.
    RUNNING_UNDER_SYSTEMD: 'true',
  };
  const stopNames = await startNames(env);
  return { url: `amqp://guest:guest@127.0.0.1:${port}`, program: plainScript(program), env, stopNames };
}

/** Debian's program of that name insists on the user rabbitmq or on files of the system's server. @param {string} program */
function plainScript(program) {
  const script = '/usr/lib/rabbitmq/bin/rabbitmq-server';
  return program.startsWith('/usr/sbin/') && existsSync(script) ? script : program;
}

/** The name server runs as our child; the node would start one that outlives it. @param {NodeJS.ProcessEnv} env */
async function startNames(env) {
  const [command, args] = diesWithThisProcess(findProgram(['epmd']) ?? 'epmd', []);
  const names = spawn(command, args, { env, stdio: 'ignore' });
  await once(names, 'spawn');
  return async () => {
    if (names.exitCode !== null || names.signalCode !== null) return;
    const exited = once(names, 'exit');
    names.kill('SIGKILL');
    await exited;
  };
}

/** @param {string} program */
async function startProgram(program) {
  const folder = temporaryFolder();
  const { url, program: script, env, stopNames } = await prepareRabbitmq(program, folder);
  try {
    const stop = await startPrivateServer(script, [], folder, () => askRabbitmq(url), env);
    return { url, stop: () => stop().then(stopNames) };
  } catch (error) {
    await stopNames();
    throw error;
  }
}

async function startContainer() {
  const { GenericContainer } = await import('testcontainers');
  const container = await new GenericContainer(rabbitmqServer.image).withExposedPorts(5672).start();
  const url = `amqp://guest:guest@${container.getHost()}:${container.getMappedPort(5672)}`;
  await untilAnswered(() => askRabbitmq(url));
  return { url, stop: async () => void (await container.stop()) };
}
