import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** From the build, and from the sources. */
const places = ['../../../package.json', '../../package.json'];

/** The version of this package. */
export function packageVersion(): string {
  for (const place of places) {
    const found = read(fileURLToPath(new URL(place, import.meta.url)));
    if (found.name === 'halfbox' && found.version !== undefined) return found.version;
  }
  throw new Error('package.json of halfbox is missing');
}

function read(path: string): { name?: string; version?: string } {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string };
  } catch {
    return {};
  }
}
