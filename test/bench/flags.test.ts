import { readFileSync } from 'node:fs';
import { nodeFlags } from '../../bench/children.js';

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
const flagsOf = (command: string) => command.match(/--[a-z0-9-]+=\d+/g);

test('the benchmark starts the broker with the flags of `npm start` and of the image', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  expect(flagsOf(scripts['start']!)).toEqual(nodeFlags);
  expect(flagsOf(/^CMD (.*)$/m.exec(read('Dockerfile'))![1]!)).toEqual(nodeFlags);
});
