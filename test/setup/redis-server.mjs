// @ts-check
import { Redis } from 'ioredis';
import { freePort, startPrivateServer, temporaryFolder, untilAnswered } from './private-server.mjs';

/** @type {import('./provide.mjs').Server} */
export const redisServer = {
  name: 'Redis',
  variable: 'HALFBOX_TEST_REDIS_URL',
  programs: ['redis-server'],
  packages: ['redis-server'],
  image: 'redis:7.0',
  startProgram,
  startContainer,
};

/** @param {string} url */
export async function ping(url) {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  // The rejected call below says the same.
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    await redis.ping();
  } finally {
    redis.disconnect();
  }
}

/** @param {string} program */
async function startProgram(program) {
  const folder = temporaryFolder();
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
  return { url, stop: await startPrivateServer(program, args, folder, () => ping(url)) };
}

async function startContainer() {
  const { GenericContainer } = await import('testcontainers');
  const container = await new GenericContainer(redisServer.image).withExposedPorts(6379).start();
  const url = `redis://${container.getHost()}:${container.getMappedPort(6379)}`;
  await untilAnswered(() => ping(url));
  return { url, stop: async () => void (await container.stop()) };
}
