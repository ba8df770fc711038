import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readResults } from '../results.js';
import { faultsNamed } from './run-faults.js';

const main = join(__dirname, '../../../dist/test/chaos/main.js');
const quick = ['mariadb.killed.commit-on-the-wire', 'redis.client-kill', 'redis.flushall'];

describe('faults around brokers', () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'halfbox-faults-test-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('lose nothing', async () => {
    const results = join(folder, 'results.jsonl');
    const args = ['--faults', quick.join(), '--stores', 'mariadb', '--engines', 'bull', '--rounds', '1'];
    const child = spawn(process.execPath, [main, ...args, '--results', results], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()));
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(code === 0 ? '' : output).toBe('');
    const rows = readResults(results);
    expect(rows.map(({ step }) => step).sort()).toEqual([...quick].sort());
    expect(rows.flatMap(({ findings }) => Object.keys(findings))).toEqual([]);
  }, 600_000);

  test('have names of their own, and a name that none has is refused', () => {
    const names = faultsNamed([]).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(faultsNamed(['redis.flushall']).map(({ name }) => name)).toEqual(['redis.flushall']);
    expect(() => faultsNamed(['redis.flush'])).toThrow('no fault is named redis.flush');
  });
});
