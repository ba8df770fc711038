import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

describe('the command line', () => {
  const main = join(__dirname, '../../dist/src/main.js');
  const run = (...words: string[]) => {
    const { status, stderr, stdout } = spawnSync(process.execPath, [main, ...words], { encoding: 'utf8' });
    return { status, stderr: stderr.trim(), stdout };
  };

  it.each([
    ['strat', 'start'],
    ['migarte', 'migrate'],
    ['clientsql', 'client-sql'],
  ])('names the command that %s was meant to be', (word, meant) => {
    const { status, stderr } = run(word);
    expect(status).toBe(1);
    expect(stderr).toBe(`halfbox: there is no command ${word}; did you mean ${meant}? (halfbox --help lists them)`);
  });
});
