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

/** What calls of `reached` say; a template stands for each step that fits it. */
function reachedSteps(): string[] {
  const names = Object.keys(steps);
  const calls = [...sourcesBelow('src'), ...sourcesBelow('migrations')]
    .filter((path) => path !== join('src', 'message', 'step.ts'))
    .flatMap((path) => [...readFileSync(join(root, path), 'utf8').matchAll(/\breached\(\s*(['"`])([^'"`]+)\1/g)])
    .map((match) => match[2]!);
  return calls.flatMap((call) => {
    if (!call.includes('${')) return [call];
    const pattern = new RegExp(`^${call.replace(/\$\{[^}]*\}/g, '[a-z]+').replaceAll('.', '\\.')}$`);
    return names.filter((name) => pattern.test(name));
  });
}

describe('the durable steps', () => {
  test('the code reaches every step that is listed, and no other', () => {
    expect([...new Set(reachedSteps())].sort()).toEqual(Object.keys(steps).sort());
  });
});
