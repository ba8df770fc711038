import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const root = resolve(__dirname, '../..');

/** Licences under which a dependency may be part of a product under Apache-2.0. */
const compatible = new Set([
  'MIT',
  'MIT-0',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'Unlicense',
  'CC0-1.0',
]);

interface Manifest {
  name: string;
  version: string;
  license?: string | { type: string };
  licenses?: { type: string }[];
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

const manifestOf = (folder: string) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;

/** Where a package finds another one, as Node looks for it; null where it is not installed. */
function folderOf(name: string, from: string): string | null {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', name);
    if (existsSync(join(found, 'package.json'))) return found;
    if (folder === dirname(folder)) return null;
  }
}

/** Every package that is installed for production, with what it depends on. */
function productionPackages(): Map<string, Manifest> {
  const found = new Map<string, Manifest>();
  const missing: string[] = [];
  const visit = (folder: string): void => {
    const { dependencies, optionalDependencies = {}, peerDependencies = {} } = manifestOf(folder);
    // Our peers are installed by applications; those of others are there or are not needed.
    const names = Object.keys({ ...dependencies, ...optionalDependencies, ...(folder === root && peerDependencies) });
    for (const name of names) {
      const at = folderOf(name, folder);
      // Packages for other platforms are not installed.
      if (at === null && !(name in optionalDependencies)) missing.push(`${name} of ${folder}`);
      if (at === null || found.has(at)) continue;
      found.set(at, manifestOf(at));
      visit(at);
    }
  };
  visit(root);
  expect(missing).toEqual([]);
  return found;
}

function licencesOf({ license, licenses }: Manifest): string[] {
  if (typeof license === 'string') return license.replace(/[()]/g, '').split(/ OR /);
  return [license?.type, ...(licenses ?? []).map(({ type }) => type)].filter((type) => type !== undefined);
}

describe('packages that run in production', () => {
  it('have licences that a product under Apache-2.0 may have in it', () => {
    const packages = [...productionPackages().values()];
    expect(packages.length).toBeGreaterThan(50);
    const others = packages
      .filter((manifest) => !licencesOf(manifest).some((licence) => compatible.has(licence)))
      .map((manifest) => `${manifest.name} ${manifest.version}: ${JSON.stringify(licencesOf(manifest))}`);
    expect(others).toEqual([]);
  });
});
