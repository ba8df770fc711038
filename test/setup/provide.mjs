// @ts-check
/** @typedef {import('./machine.mjs').Machine} Machine */

/**
 * A server that runs. `stop` leaves nothing behind.
 * @typedef {object} Running
 * @property {string} url
 * @property {() => Promise<void>} stop
 */

/**
 * A kind of server that the suites need, and the ways to get one.
 * @typedef {object} Server
 * @property {string} name
 * @property {string} variable The environment variable that names a server to use.
 * @property {string[]} programs
 * @property {string[]} packages Debian's packages that bring one of the programs.
 * @property {string} image
 * @property {(program: string, more?: string[]) => Promise<Running>} startProgram Starts a private one on a free port with temporary data.
 * @property {() => Promise<Running>} startContainer
 */

/**
 * Finds a server, or starts one: the variable's; a program of this machine; Debian's package; a container.
 * A way that fails is told of and the next one is tried.
 * @param {Server} server
 * @param {Machine} machine
 * @returns {Promise<Running>}
 */
export async function provide(server, machine) {
  const given = machine.env[server.variable];
  if (given) return { url: given, stop: async () => {} };
  const failures = [];
  for (const [way, start] of waysToGet(server, machine)) {
    try {
      const running = await start();
      machine.print(`${server.name} for the tests: ${way}`);
      return running;
    } catch (error) {
      failures.push(`  ${way}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(
    [
      `The tests need ${server.name}. None of the ways to get one worked:`,
      ...failures,
      `Install ${server.programs.join(' or ')} (Debian: apt-get install ${server.packages.join(' ')}), ` +
        `or set ${server.variable} to a server that the tests may use, or start a container engine (${server.image}).`,
    ].join('\n'),
  );
}

/**
 * @param {Server} server
 * @param {Machine} machine
 * @returns {[string, () => Promise<Running>][]}
 */
function waysToGet(server, machine) {
  /** @type {[string, () => Promise<Running>][]} */
  const ways = [];
  const program = machine.find(server.programs);
  if (program !== null) ways.push([program, () => server.startProgram(program)]);
  else if (machine.installsPackages)
    ways.push([`apt (${server.packages.join(' ')})`, () => startInstalled(server, machine)]);
  ways.push([`container ${server.image}`, () => server.startContainer()]);
  return ways;
}

/**
 * @param {Server} server
 * @param {Machine} machine
 */
async function startInstalled(server, machine) {
  machine.print(`Installing ${server.packages.join(' ')} with apt-get, for the tests`);
  await machine.install(server.packages);
  const program = machine.find(server.programs);
  if (program === null) throw new Error(`installed, but there is no ${server.programs.join(' or ')}`);
  return server.startProgram(program);
}
