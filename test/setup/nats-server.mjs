// @ts-check
import { createRequire } from 'node:module';
import { freePort, startPrivateServer, temporaryFolder, untilAnswered } from './private-server.mjs';

const { connect } = createRequire(import.meta.url)('@nats-io/transport-node');

/** @type {import('./provide.mjs').Server} */
export const natsServer = {
  name: 'NATS',
  variable: 'HALFBOX_TEST_NATS_URL',
  programs: ['nats-server'],
  packages: ['nats-server'],
  image: 'nats:2.9',
  startProgram,
  startContainer,
};

/** @param {number} port */
export function natsArguments(port) {
  return ['--addr', '127.0.0.1', '--port', String(port)];
}

/** @param {string} url */
export async function askNats(url) {
  const connection = await connect({ servers: url, reconnect: false, timeout: 2_000 });
  await connection.close();
}

/** @param {string} program */
async function startProgram(program) {
  const port = await freePort();
  const url = `nats://127.0.0.1:${port}`;
  return { url, stop: await startPrivateServer(program, natsArguments(port), temporaryFolder(), () => askNats(url)) };
}

async function startContainer() {
  const { GenericContainer } = await import('testcontainers');
  const container = await new GenericContainer(natsServer.image).withExposedPorts(4222).start();
  const url = `nats://${container.getHost()}:${container.getMappedPort(4222)}`;
  await untilAnswered(() => askNats(url));
  return { url, stop: async () => void (await container.stop()) };
}
