import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { steps } from '../../src/message/step.js';

const root = resolve(__dirname, '../..');

function sourcesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sourcesBelow(path) : path.endsWith('.ts') ? [path] : [];
  });
}

/** The steps that calls of `reached` name; a call that does not write its step out is there with its file. */
function reachedSteps(): string[] {
  return [...sourcesBelow('src'), ...sourcesBelow('migrations')]
    .filter((path) => path !== join('src', 'message', 'step.ts'))
    .flatMap((path) => {
      const calls = readFileSync(join(root, path), 'utf8').matchAll(/\breached\((?:\s*(['"])([^'"]+)\1)?/g);
      return [...calls].map((match) => match[2] ?? `a step of ${path} that is not written out`);
    });
}

describe('the durable steps', () => {
  test('the code reaches every step that is listed, and no other', () => {
    expect([...new Set(reachedSteps())].sort()).toEqual(Object.keys(steps).sort());
  });
});
