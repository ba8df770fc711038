import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { mutations } from './mutations.js';

interface MutationReport {
  name: string;
  breaks: string;
  found: string[];
}

/** Real brokers, each with one defect, under the workload of the chaos runs. */
describe('the audit', () => {
  const reports = new Map<string, MutationReport>();
  let output = '';

  beforeAll(async () => {
    const script = join(__dirname, '../../dist/test/chaos/mutate.js');
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'pipe'] });
    let printed = '';
    child.stdout.on('data', (data: Buffer) => (printed += data.toString()));
    child.stderr.on('data', (data: Buffer) => (output += data.toString()));
    await once(child, 'close');
    for (const line of printed.split('\n').filter((text) => text.startsWith('{'))) {
      const report = JSON.parse(line) as MutationReport;
      reports.set(report.name, report);
    }
  }, 900_000);

  const foundFor = (name: string): string[] => {
    const report = reports.get(name);
    if (!report) throw new Error(`there is no report: ${output.slice(-4_000)}`);
    return report.found;
  };

  test('finds nothing where nothing is wrong', () => {
    expect(foundFor('nothing is wrong')).toEqual([]);
  });

  test.each(mutations)('finds that $name', ({ name, breaks }) => {
    expect(foundFor(name)).toContain(breaks);
  });

  test('is tried with a defect for each invariant', () => {
    const invariants = ['dropped', 'duplicate', 'final', 'lost', 'offsets', 'order', 'stuck', 'wrong'];
    expect([...new Set(mutations.map(({ breaks }) => breaks))].sort()).toEqual(invariants);
  });
});
