import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import * as halfbox from '../../src/index.js';
import { blocksOf, type Block } from '../readme-blocks.js';
import { BrokerProcess } from '../system/broker-process.js';
import { ExampleProcess } from './example-process.js';

const execute = promisify(execFile);
const root = resolve(__dirname, '../..');
const text = readFileSync(join(root, 'docs/nestjs.md'), 'utf8');
const blocks = blocksOf(text);
const testMsMax = 180_000;

/** What blocks that show a call take as given. */
const context = `
import type { Producer } from 'halfbox';
import type { DataSource, EntityManager } from 'typeorm';
declare global {
  interface Order { id: string; item: string; euros: number }
  const order: Order;
  class OrderRow { id: string; item: string; euros: number }
  const HalfboxClientModule: typeof import('halfbox').HalfboxClientModule;
  const producer: Producer<{ orders: Order }, EntityManager>;
  const dataSource: DataSource;
  const logger: { log(what: unknown): void; error(what: string): void };
}`;

/** The file that a block says it is. */
const fileOf = ({ text: code }: Block): string | undefined => /^\/\/ (src\/\S+\.ts)\n/.exec(code)?.[1];
const typescriptBlocks = blocks.filter(({ language }) => language === 'ts');
const options = ts.convertCompilerOptionsFromJson(
  JSON.parse(blocks.find(({ language }) => language === 'json')!.text).compilerOptions,
  root,
).options;

/** What the compiler says about the blocks, as a reader's own files against the built package. */
function complaints(): string[] {
  const folder = join(root, 'docs/blocks');
  const files = new Map([[join(folder, 'context.d.ts'), context]]);
  typescriptBlocks.forEach((block, index) => {
    // Each is a module of its own, also where it imports nothing.
    files.set(join(folder, fileOf(block) ?? `block-${index}.ts`), `${block.text}\nexport {};\n`);
  });
  const { rootDir: _rootDir, outDir: _outDir, ...rest } = options;
  const checked = { ...rest, noEmit: true, types: ['node', 'jest'] };
  const host = ts.createCompilerHost(checked);
  const { fileExists, readFile, getSourceFile, directoryExists } = host;
  host.fileExists = (file) => files.has(file) || fileExists(file);
  host.readFile = (file) => files.get(file) ?? readFile(file);
  host.directoryExists = (path) => path.startsWith(folder) || directoryExists!(path);
  host.getSourceFile = (file, languageVersion, ...more) => {
    const own = files.get(file);
    return own === undefined
      ? getSourceFile(file, languageVersion, ...more)
      : ts.createSourceFile(file, own, languageVersion);
  };
  const program = ts.createProgram([...files.keys()], checked, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(
      ({ file, start, messageText }) =>
        `${file?.fileName.slice(folder.length)}:${file && start ? file.getLineAndCharacterOfPosition(start).line : 0} ` +
        ts.flattenDiagnosticMessageText(messageText, ' '),
    );
}

describe('docs/nestjs.md', () => {
  test(
    'every block of TypeScript compiles against the package',
    () => {
      expect(typescriptBlocks.length).toBeGreaterThan(20);
      expect(complaints()).toEqual([]);
    },
    testMsMax,
  );

  test('the table of errors has every code', () => {
    const missing = Object.entries(halfbox)
      .filter(([, value]) => typeof value === 'function' && value.prototype instanceof halfbox.HalfboxError)
      .map(([name]) => name)
      .filter((name) => !new RegExp(`^\\| .*\`${name}\``, 'm').test(text));
    expect(missing).toEqual([]);
  });
});

describe('the first application of docs/nestjs.md', () => {
  let folder: string;
  /** In the repository, so that \`halfbox\` is found. */
  let built: string;
  let broker: BrokerProcess;
  let billing: ExampleProcess;
  let orders: ExampleProcess;

  const start = (name: string, environment: Record<string, string> = {}) =>
    ExampleProcess.start(
      join(built, name),
      { BROKER_URL: broker.url, NO_COLOR: '1', ...environment },
      { folder, readyText: 'successfully started' },
    );

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'halfbox-tour-'));
    mkdirSync(join(root, 'dist/test'), { recursive: true });
    built = mkdtempSync(join(root, 'dist/test/tour-'));
    // A single file does not know that the package is of type module.
    const transpiled = { ...options, module: ts.ModuleKind.ES2022, moduleResolution: undefined };
    for (const block of typescriptBlocks) {
      const file = fileOf(block);
      if (file === undefined) continue;
      const { outputText } = ts.transpileModule(block.text, { fileName: file, compilerOptions: transpiled });
      writeFileSync(join(built, file.replace(/^src\/(.*)\.ts$/, '$1.js')), outputText);
    }
    broker = await BrokerProcess.start({ HALFBOX_STORE_URL: `sqlite:${join(folder, 'halfbox.db')}` });
    billing = await start('billing.js');
    orders = await start('orders.js');
  }, testMsMax);
  afterAll(async () => {
    await Promise.all([orders?.kill(), billing?.kill()]);
    await broker?.stop();
    for (const path of [folder, built]) rmSync(path, { recursive: true, force: true });
  }, testMsMax);

  /** Runs the commands that place these orders; answers what they print, whether or not they end well. */
  async function place(item: string): Promise<string> {
    const { text: command } = blocks.find(({ language, text: code }) => language === 'sh' && code.includes(item))!;
    const adapted = command.replaceAll('localhost:3000', new URL(orders.url).host);
    const done = await execute('bash', ['-c', adapted]).catch((error: { stdout: string }) => error);
    return done.stdout;
  }

  test(
    'an order is billed, a refused one is not',
    async () => {
      const printed = await place('gold bar');
      expect(printed).toContain('"item":"tea"');
      expect(printed).toContain('the card was refused');
      await billing.line('tea: billed');
    },
    testMsMax,
  );

  test(
    'killed at the worst moment: the order is billed once after the next start',
    async () => {
      await orders.stop();
      orders = await start('orders.js', { WORST_MOMENT: '1' });
      expect(await place('book')).toBe('');
      expect(await orders.ended()).toBe('SIGKILL');
      const { items } = (await broker.get('/v1/transactions?producer=shop&state=prepared')).body;
      expect(items).toHaveLength(1);
      orders = await start('orders.js');
      await billing.line('book: billed');
      expect((await broker.get(`/v1/transactions/${items[0].id}`)).body).toMatchObject({ resolvedBy: 'check' });
      const billed = billing.lines
        .filter((line) => /: (was )?billed/.test(line))
        .map((line) => line.split('] ').at(-1));
      expect(billed).toEqual(['tea: billed', 'book: billed']);
    },
    testMsMax,
  );
});
