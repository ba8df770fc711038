/** What scenes run on: a database server, and ports. */
export interface ChaosServers {
  /** MariaDB (or MySQL), as a user that may create databases. */
  mysqlUrl: string;
  /** Starts a Redis of one scene. */
  startRedis(): Promise<{ url: string; stop(): Promise<void> }>;
  freePort(): Promise<number>;
  stop(): Promise<void>;
}

interface Running {
  url: string;
  stop(): Promise<void>;
}

interface ServerKind {
  startProgram(program: string): Promise<Running>;
  programs: string[];
}

/** The files of `test/setup`, which are not part of the build. */
export const setup = <Module>(file: string): Promise<Module> =>
  import(new URL(`../../../test/setup/${file}`, import.meta.url).href) as Promise<Module>;

/** Finds or starts them in the way of `npm test`. */
export async function provideServers(): Promise<ChaosServers> {
  const { provide } = await setup<{ provide(server: ServerKind, machine: unknown): Promise<Running> }>('provide.mjs');
  const { thisMachine, findProgram } = await setup<{
    thisMachine: unknown;
    findProgram(names: string[]): string | null;
  }>('machine.mjs');
  const { mysqlServer } = await setup<{ mysqlServer: ServerKind }>('mysql-server.mjs');
  const { redisServer } = await setup<{ redisServer: ServerKind }>('redis-server.mjs');
  const { freePort } = await setup<{ freePort(): Promise<number> }>('private-server.mjs');
  const mysql = await provide(mysqlServer, thisMachine);
  return {
    mysqlUrl: mysql.url,
    startRedis: () => {
      const program = findProgram(redisServer.programs);
      // One that others use would be filled and emptied under them.
      if (program === null)
        throw new Error('chaos needs redis-server on the PATH (Debian: apt-get install redis-server)');
      return redisServer.startProgram(program);
    },
    freePort,
    stop: () => mysql.stop(),
  };
}
