import { isDebianFamily } from './machine.mjs';
import { provide } from './provide.mjs';

function machineWith(options: {
  programs?: string[];
  root?: boolean;
  env?: Record<string, string>;
  installs?: string[];
}) {
  const programs = [...(options.programs ?? [])];
  const printed: string[] = [];
  const installed: string[][] = [];
  return {
    printed,
    installed,
    env: options.env ?? {},
    find: (names: string[]) => programs.find((program) => names.includes(program)) ?? null,
    installsPackages: options.root ?? false,
    install: async (packages: string[]) => {
      installed.push(packages);
      programs.push(...(options.installs ?? []));
    },
    print: (line: string) => printed.push(line),
  };
}

function serverThat(options: { programFails?: boolean; containerFails?: boolean } = {}) {
  const running = (url: string) => ({ url, stop: async () => undefined });
  return {
    name: 'MariaDB',
    variable: 'HALFBOX_TEST_MYSQL_URL',
    programs: ['mariadbd', 'mysqld'],
    packages: ['mariadb-server'],
    image: 'mariadb:10.11',
    startProgram: async (program: string) => {
      if (options.programFails) throw new Error('no space left');
      return running(`started ${program}`);
    },
    startContainer: async () => {
      if (options.containerFails) throw new Error('no container engine');
      return running('container');
    },
  };
}

describe('the servers that the tests use', () => {
  test('the one that is named wins over all others', async () => {
    const machine = machineWith({
      env: { HALFBOX_TEST_MYSQL_URL: 'mysql://given' },
      programs: ['mariadbd'],
      root: true,
    });
    expect((await provide(serverThat(), machine)).url).toBe('mysql://given');
    expect(machine.printed).toEqual([]);
  });

  test('a program of the machine is started', async () => {
    const machine = machineWith({ programs: ['mysqld'], root: true });
    expect((await provide(serverThat(), machine)).url).toBe('started mysqld');
    expect(machine.installed).toEqual([]);
    expect(machine.printed).toEqual(['MariaDB for the tests: mysqld']);
  });

  test('as root on Debian the package is installed, which is told', async () => {
    const machine = machineWith({ root: true, installs: ['mariadbd'] });
    expect((await provide(serverThat(), machine)).url).toBe('started mariadbd');
    expect(machine.installed).toEqual([['mariadb-server']]);
    expect(machine.printed[0]).toBe('Installing mariadb-server with apt-get, for the tests');
  });

  test('without root a container is started', async () => {
    const machine = machineWith({ root: false });
    expect((await provide(serverThat(), machine)).url).toBe('container');
    expect(machine.installed).toEqual([]);
  });

  test('a program that does not start is followed by the next way', async () => {
    const machine = machineWith({ programs: ['mariadbd'] });
    expect((await provide(serverThat({ programFails: true }), machine)).url).toBe('container');
  });

  test('where nothing works it says what was tried and what to install', async () => {
    const machine = machineWith({ root: true, installs: [] });
    const refused = provide(serverThat({ containerFails: true }), machine);
    await expect(refused).rejects.toThrow(
      /there is no mariadbd or mysqld[^]*no container engine[^]*apt-get install mariadb-server/,
    );
  });
});

test.each([
  ['ID=debian\nVERSION_ID="12"\n', true],
  ['NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n', true],
  ['ID="linuxmint"\nID_LIKE="ubuntu debian"\n', true],
  ['ID=fedora\n', false],
  ['', false],
])('which systems have Debian packages: %j', (osRelease, expected) => {
  expect(isDebianFamily(osRelease)).toBe(expected);
});
