import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { completeSettings, settingSchemas, variableOf } from '../src/config/settings.js';

const root = resolve(__dirname, '..');
const linesMax = 260;
const foldersWithoutMeaning = /(^|\/)(utils?|common|helpers?|misc|models|managers?)(\/|\.ts$)/;

const notOurs = new Set(['.git', '.halfbox', 'coverage', 'dist', 'node_modules']);

const files = filesBelow('');
/** All but this file, which names what it looks for. */
const sources = files.filter(
  (file) => /^(src|migrations|test|bench|examples)\/.*\.(ts|mjs)$/.test(file) && file !== 'test/tidy.test.ts',
);
const documents = files.filter((file) => file.endsWith('.md'));
const read = (file: string) => readFileSync(join(root, file), 'utf8');

describe('sources', () => {
  test(`no file of src is longer than ${linesMax} lines`, () => {
    const long = sources.filter((file) => file.startsWith('src/') && read(file).split('\n').length - 1 > linesMax);
    expect(long).toEqual([]);
  });

  test('every name says what is inside', () => {
    expect(sources.filter((file) => foldersWithoutMeaning.test(file))).toEqual([]);
  });

  test('nothing is left to do', () => {
    const marks = /\b(TODO|FIXME|XXX)\b/;
    expect(sources.filter((file) => marks.test(read(file)))).toEqual([]);
  });

  test('no test is left out, and none leaves the others out', () => {
    const marks = /\b(describe|test|it)\.(only|skip|todo)\b|\b(fdescribe|fit|xdescribe|xit|xtest)\(/;
    const tests = sources.filter((file) => file.startsWith('test/'));
    expect(tests.filter((file) => marks.test(read(file)))).toEqual([]);
  });
});

describe('documents', () => {
  test('every link to a file of the repository leads somewhere', () => {
    const broken = documents.flatMap((document) =>
      relativeLinks(read(document))
        .filter((link) => !existsSync(join(root, dirname(document), link)))
        .map((link) => `${document}: ${link}`),
    );
    expect(broken).toEqual([]);
  });

  test('the changelog names the version of the package', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(read('CHANGELOG.md')).toContain(`## [${version}]`);
  });

  test('docs/settings.md lists every setting with its default', () => {
    const defaults = completeSettings({}) as unknown as Record<string, unknown>;
    const expected = Object.keys(settingSchemas).map((name) => [variableOf(name), documentedDefault(name, defaults)]);
    const listed = [...read('docs/settings.md').matchAll(/^\| `(HALFBOX_\w+)` +\| ([^|]*?) +\|/gm)];
    expect(listed.map((row) => [row[1], row[2]])).toEqual(expected);
  });
});

/** Paths from the root, of everything that is not installed or made. */
function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (notOurs.has(entry.name)) return [];
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

/** Targets of Markdown links, without those to other sites and to places in the same document. */
function relativeLinks(text: string): string[] {
  const withoutCode = text.replace(/^```[^]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
  return [...withoutCode.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1]!.split('#')[0]!)
    .filter((link) => link !== '' && !/^[a-z]+:/.test(link));
}

/** A default as the table shows it; a setting whose default depends on another says so in words. */
function documentedDefault(name: string, defaults: Record<string, unknown>): string {
  if (name === 'autoCreate' || name === 'allowPrivateTargets') return 'true on loopback';
  const value = defaults[name];
  return name === 'apiKeys' || value === undefined ? '(none)' : `\`${String(value)}\``;
}
