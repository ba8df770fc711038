import type { Servers } from './scenario.js';

/** What is used of `test/setup`, which is no TypeScript. */
interface TestServers {
  startServers(): Promise<void>;
  stopServers(): Promise<void>;
}

interface PrivateServer {
  freePort(): Promise<number>;
  diesWithThisProcess(program: string, args: string[]): [command: string, args: string[]];
}

const setup = async (file: string): Promise<unknown> =>
  import(new URL(`../../test/setup/${file}.mjs`, import.meta.url).href);

/** The servers that `npm test` uses, found or started in the same way and by the same variables. */
export async function provideServers(): Promise<Servers & { stop(): Promise<void> }> {
  const { startServers, stopServers } = (await setup('servers')) as TestServers;
  await startServers();
  return {
    mysqlUrl: process.env.HALFBOX_TEST_MYSQL_URL!,
    redisUrl: process.env.HALFBOX_TEST_REDIS_URL!,
    stop: () => stopServers(),
  };
}

export async function freePort(): Promise<number> {
  return ((await setup('private-server')) as PrivateServer).freePort();
}

/** The command that runs a program, which the kernel ends with this process. */
export async function boundToThisProcess(program: string, args: string[]): Promise<[string, string[]]> {
  return ((await setup('private-server')) as PrivateServer).diesWithThisProcess(program, args);
}
