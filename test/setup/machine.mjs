// @ts-check
import { spawn } from 'node:child_process';
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Debian keeps servers here; an ordinary user's PATH often leaves these out. */
const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/libexec'];
/** Debian keeps each major version of PostgreSQL in a folder of its own, below this one. */
const postgresFolder = '/usr/lib/postgresql';

/**
 * What the set-up needs to know of the machine it runs on; a test gives it another one.
 * @typedef {object} Machine
 * @property {Record<string, string | undefined>} env
 * @property {(names: string[]) => string | null} find The first of these programs that is there.
 * @property {boolean} installsPackages Whether Debian's packages can be installed: root, on Debian or Ubuntu, with apt-get.
 * @property {(packages: string[]) => Promise<void>} install
 * @property {(line: string) => void} print
 */

/** @param {string[]} names */
export function findProgram(names) {
  const onPath = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  const folders = [...onPath, ...systemFolders, ...postgresFolders()];
  for (const name of names) {
    const found = folders.map((folder) => join(folder, name)).find(isExecutable);
    if (found !== undefined) return found;
  }
  return null;
}

/** Those of the newest version first. */
function postgresFolders() {
  try {
    const versions = readdirSync(postgresFolder).sort((a, b) => Number(b) - Number(a));
    return versions.map((version) => join(postgresFolder, version, 'bin'));
  } catch {
    return [];
  }
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} osRelease The text of /etc/os-release. */
export function isDebianFamily(osRelease) {
  const families = [...osRelease.matchAll(/^ID(?:_LIKE)?=["']?([^"'\n]*)/gm)].flatMap((match) => match[1].split(' '));
  return families.includes('debian') || families.includes('ubuntu');
}

function readOsRelease() {
  try {
    return readFileSync('/etc/os-release', 'utf8');
  } catch {
    return '';
  }
}

/** @param {string[]} packages */
async function installWithApt(packages) {
  await runAptGet(['update']);
  await runAptGet(['install', '--yes', '--no-install-recommends', ...packages]);
}

/** Runs apt-get without questions; what it printed is shown only when it fails. @param {string[]} args */
function runAptGet(args) {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    // Suites that run at once may each install; apt-get itself does not wait for another one.
    const command = [join(tmpdir(), 'halfbox-test-apt.lock'), 'apt-get', ...args];
    const child = spawn('flock', command, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(undefined);
      else reject(new Error(`apt-get ${args.join(' ')} ended with ${code}:\n${output.trim()}`));
    });
  });
}

/** @type {Machine} */
export const thisMachine = {
  env: process.env,
  find: findProgram,
  installsPackages: process.getuid?.() === 0 && findProgram(['apt-get']) !== null && isDebianFamily(readOsRelease()),
  install: installWithApt,
  print: (line) => console.log(line),
};
