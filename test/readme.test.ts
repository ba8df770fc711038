import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { blocksOf, differences } from './readme-blocks.js';
import { freePort } from './setup/private-server.mjs';
import { BrokerProcess, eventually } from './system/broker-process.js';

const execute = promisify(execFile);
const root = resolve(__dirname, '..');
const blocks = blocksOf(readFileSync(join(root, 'README.md'), 'utf8'));
const redisUrl = `${process.env.HALFBOX_TEST_REDIS_URL}/13`;

/** What the README says, and what stands for it here: ports and servers of this run. */
const replacements = new Map<string, string>();
const others: ChildProcess[] = [];
let folder: string;
let broker: BrokerProcess;
let receipt = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'halfbox-readme-'));
  broker = await BrokerProcess.start({
    HALFBOX_STORE_URL: `sqlite:${join(folder, 'halfbox.db')}`,
    HALFBOX_REDIS_URL: redisUrl,
  });
  replacements.set('localhost:3900', new URL(broker.url).host);
  replacements.set('127.0.0.1:3900', new URL(broker.url).host);
  replacements.set('redis://127.0.0.1:6379', redisUrl);
  for (const port of ['4000', '4001']) replacements.set(port, String(await freePort()));
});

afterAll(async () => {
  for (const other of others) other.kill('SIGKILL');
  await broker?.call('DELETE', '/v1/subscriptions/orders/billing?force=true');
  await broker?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The command as it is run here. */
function adapted(text: string): string {
  let command = text.replace('RECEIPT', receipt);
  for (const [documented, actual] of replacements) command = command.replaceAll(documented, actual);
  return command;
}

function startOther(command: string, args: string[]): ChildProcess {
  const other = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  others.push(other);
  return other;
}

/** The server of an "in another terminal" block, once it listens. */
async function startServer(text: string): Promise<void> {
  const port = Number(/listen\((\d+)\)/.exec(text)![1]);
  startOther('bash', ['-c', `exec ${text.split('\n').slice(1).join('\n')}`]);
  await eventually(`server on ${port}`, async () => {
    const socket = connect(port, '127.0.0.1');
    const reached = await once(socket, 'connect').then(
      () => true as const,
      () => undefined,
    );
    socket.destroy();
    return reached;
  });
}

describe('the commands of the README', () => {
  for (const [index, { language, text }] of blocks.entries()) {
    if (language !== 'sh') continue;
    if (text.startsWith('# in another terminal')) {
      test(`server: block ${index}`, () => startServer(adapted(text)));
    } else if (text.startsWith('curl ')) {
      test(text.slice(0, 100), async () => {
        const { stdout } = await execute('bash', ['-euo', 'pipefail', '-c', adapted(text)]);
        receipt = /"receipt":"([^"]+)"/.exec(stdout)?.[1] ?? receipt;
        const documented = blocks[index + 1];
        if (documented?.language !== 'json') expect(stdout).not.toContain('urn:halfbox:problem');
        else expect(differences(JSON.parse(stdout), JSON.parse(documented.text))).toEqual([]);
      });
    }
  }

  test('the pushed message arrives where the README says', async () => {
    await eventually('acknowledged push', async () => {
      const { body } = await broker.get('/v1/subscriptions/orders/mailer');
      return body.backlog === 0 ? true : undefined;
    });
  });

  test('the client of the Node.js example sends, prepares and commits', async () => {
    const script = blocks.find(({ text }) => text.includes("from 'halfbox/client'"))!.text;
    await execute(process.execPath, ['--input-type=module', '-e', adapted(script)], { cwd: root });
    for (const key of ['1005', '1006']) {
      const { body } = await broker.get(`/v1/messages?topic=orders&key=${key}`);
      expect(body.items).toMatchObject([{ state: 'visible', body: { order: Number(key) } }]);
    }
  });

  test('the Bull worker gets the messages of its subscription', async () => {
    const script = blocks.find(({ language }) => language === 'js')!.text;
    const worker = startOther(process.execPath, ['--input-type=module', '-e', adapted(script)]);
    const printed = once(createInterface({ input: worker.stdout! }), 'line');
    await broker.post('/v1/messages', { topic: 'orders', body: { order: 1005 } });
    expect(await printed).toEqual(['billing { order: 1005 }']);
  });
});
