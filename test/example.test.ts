import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const root = resolve(__dirname, '..');
/** A quiet machine needs a tenth of it; other suites run beside this one. */
const testMsMax = 60_000;

test(
  'the example tells its story, and every order ends as it says',
  async () => {
    const { stdout } = await execute(process.execPath, ['examples/orders/run.mjs'], { cwd: root });
    expect(stdout).toContain('order-2 (gold bar) is rolled back: the card was refused');
    expect(stdout).toContain('the broker asks about order-3: it is in my database, so commit');
    expect(stdout.slice(stdout.indexOf('Outcome')).trim().split('\n')).toEqual([
      'Outcome',
      '  ok   order-1: committed, and shipped once',
      '  ok   order-2: rolled_back, and never shipped',
      '  ok   order-3: committed by check-back, and shipped once',
    ]);
  },
  testMsMax,
);
