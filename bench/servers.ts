import type { Servers } from './scenario.js';

interface TestServers {
  startServers(): Promise<void>;
  stopServers(): Promise<void>;
}

/** The servers that `npm test` uses, found or started in the same way and by the same variables. */
export async function provideServers(): Promise<Servers & { stop(): Promise<void> }> {
  const setup = (await import(new URL('../../test/setup/servers.mjs', import.meta.url).href)) as TestServers;
  await setup.startServers();
  return {
    mysqlUrl: process.env.HALFBOX_TEST_MYSQL_URL!,
    redisUrl: process.env.HALFBOX_TEST_REDIS_URL!,
    stop: () => setup.stopServers(),
  };
}
