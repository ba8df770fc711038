import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import type { Question } from '../../../src/client/check/answerer.js';
import { until } from '../../queue/until.js';
import { BrokerProcess } from '../../system/broker-process.js';
import { applicationServers, type ApplicationDatabase } from './application-database.js';
import { Shop } from './shop.js';

const script = join(__dirname, 'fixtures', 'shop-process.mjs');

/** Where the process is killed, and whether its order and its message are there in the end. */
const places = {
  'before-prepare': false,
  'before-local-commit': false,
  'after-local-commit': true,
  'before-commit-answer': true,
  never: true,
};
type Place = keyof typeof places;

/** One process for each place, and each way to send. */
const killings = (Object.keys(places) as Place[]).flatMap((stopAt) =>
  [true, false].map((knowsBefore) => ({ stopAt, knowsBefore, order: `${stopAt}-${knowsBefore ? 'known' : 'added'}` })),
);
const expected = killings.filter(({ stopAt }) => places[stopAt]).map(({ order }) => order);

describe.each(applicationServers)('a shop on $name that is killed', ({ provide, dialect }) => {
  let folder: string;
  let broker: BrokerProcess;
  let database: ApplicationDatabase;
  let successor: Shop;
  let checkBack: Server;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'halfbox-killed-'));
    broker = await BrokerProcess.start({ HALFBOX_STORE_URL: `sqlite:${join(folder, 'halfbox.db')}` });
    database = await (await provide()).prepare();
    // Waits for a transaction of another instance the limit and five seconds more.
    successor = new Shop(await database.open(), { instance: 'successor', localTransactionMsMax: 1_000 });
    const answer = async (question: Question, response: ServerResponse) => {
      const resolution = await successor.fence.answer(question);
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ resolution }));
    };
    checkBack = createServer((request, response) => {
      void json(request).then((question) => answer(question as Question, response));
    }).listen(0, '127.0.0.1');
    await once(checkBack, 'listening');
    const { port } = checkBack.address() as AddressInfo;
    await broker.put('/v1/producers/shop', {
      checkBack: { type: 'http', url: `http://127.0.0.1:${port}/` },
      firstCheckAfterMs: 100,
      checkIntervalMs: 500,
      checkMax: 100,
    });
    await broker.put('/v1/subscriptions/orders/audit', { mode: 'pull' });
  });
  afterAll(async () => {
    await broker?.stop();
    checkBack?.close();
    await successor?.fence.stop();
    await database?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs a shop until it has stopped at its place, and kills it there; one without a place ends by itself. */
  async function run(killing: (typeof killings)[number]): Promise<void> {
    const { driver: _driver, ...options } = database.options() as { driver?: unknown };
    const argument = JSON.stringify({ ...killing, url: broker.url, database: options });
    const child = spawn(process.execPath, [script, argument], { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.once('data', () => child.kill('SIGKILL'));
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    expect({ ...killing, code, signal }).toMatchObject(
      killing.stopAt === 'never' ? { code: 0 } : { signal: 'SIGKILL' },
    );
  }

  async function receiveAll(): Promise<string[]> {
    const orders: string[] = [];
    for (;;) {
      const { body } = await broker.post('/v1/subscriptions/orders/audit/receive', { max: 100, waitMs: 200 });
      const deliveries = body.deliveries as { receipt: string; message: { body: { order: string } } }[];
      if (deliveries.length === 0) return orders.sort();
      orders.push(...deliveries.map(({ message }) => message.body.order));
      const receipts = deliveries.map(({ receipt }) => receipt);
      await broker.post('/v1/subscriptions/orders/audit/ack', { receipts });
    }
  }

  test('anywhere: its messages are delivered when, and only when, its orders are there', async () => {
    // SQLite has one writer, which the stopped one is until it is killed.
    if (dialect === 'sqlite') for (const killing of killings) await run(killing);
    else await Promise.all(killings.map(run));
    const open = async () => (await broker.get('/v1/transactions?producer=shop&state=prepared')).body.items.length;
    await until('the end of every transaction', async () => (await open()) === 0, 60_000);
    const orders = await successor.orders();
    expect(orders).toEqual([...expected].sort());
    expect(await receiveAll()).toEqual(orders);
    const { items } = (await broker.get('/v1/transactions?producer=shop&limit=100')).body;
    const states = (items as { state: string; resolvedBy: string }[]).map(
      ({ state, resolvedBy }) => `${state} by ${resolvedBy}`,
    );
    // Before its prepare there is nothing at the broker.
    expect(states.map((state) => state.split(' ')[0]).sort()).toEqual([
      ...Array.from({ length: 6 }, () => 'committed'),
      ...Array.from({ length: 2 }, () => 'rolled_back'),
    ]);
    // Nobody is left to roll back, nor to commit for the two that were killed; a check may overtake the others' commit.
    expect(states).not.toContain('rolled_back by client');
    const byCheck = states.filter((state) => state === 'committed by check').length;
    expect(byCheck).toBeGreaterThanOrEqual(2);
  }, 120_000);
});
