import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from '../../../src/client/check/answerer.js';
import { HalfboxError } from '../../../src/client/errors.js';
import { applicationServers, type ApplicationDatabase } from './application-database.js';
import { insertOrder, message, Shop } from './shop.js';

const transactions = 120;
const atOnce = 12;

/** The same numbers in each run. */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

describe.each(applicationServers)('checks that race local transactions on $name', ({ provide, dialect }) => {
  let database: ApplicationDatabase;
  let shops: Shop[];

  beforeAll(async () => {
    database = await (await provide()).prepare();
    // SQLite waits for a lock by blocking the process, whose other instances here may hold it.
    const options = dialect === 'sqlite' ? { timeout: 0 } : { poolSize: 4 };
    shops = await Promise.all(
      ['one', 'two', 'three'].map(async (instance) => new Shop(await database.open(options), { instance })),
    );
  });
  afterAll(async () => {
    for (const { fence } of shops) await fence.stop();
    await database.close();
  });

  test('never disagree with the database, or with each other', async () => {
    const [shop, ...others] = shops as [Shop, Shop, Shop];
    const random = numbersFrom(20_250_601);
    const answers = new Map<string, Answer[]>();

    /** One transaction, and at some moments of its life checks of instances that believe that it is old. */
    const race = async (n: number): Promise<void> => {
      const id = `order-${n}`;
      const given: Answer[] = [];
      answers.set(id, given);
      const [prepareMs, workMs, fails] = [random() * 4, random() * 4, random() < 0.3];
      const checks = [random() * 12, random() * 12].map((waitMs, c) =>
        delay(waitMs).then(async () => given.push(await others[c]!.ask(id))),
      );
      const work = async (manager: Shop['dataSource']['manager']) => {
        await insertOrder(id)(manager);
        await delay(workMs);
        if (fails) throw new Error('out of stock');
      };
      await delay(prepareMs);
      const sent = shop.transactions.sendInTransaction(message, work, { transactionId: id });
      const error = await sent.then(
        () => undefined,
        (reason: Error) => reason,
      );
      if (error && !(error instanceof HalfboxError)) expect(error.message).toBe('out of stock');
      await Promise.all(checks);
      // Asked again until it is decided, as a broker does.
      for (;;) {
        const answer = await others[0].ask(id);
        given.push(answer);
        if (answer !== 'unknown') return;
      }
    };

    const left = Array.from({ length: transactions }, (_, n) => n);
    const runner = async () => {
      for (let n = left.pop(); n !== undefined; n = left.pop()) await race(n);
    };
    await Promise.all(Array.from({ length: atOnce }, runner));

    const orders = new Set(await shop.orders());
    for (const [id, given] of answers) {
      const truth = orders.has(id) ? 'commit' : 'rollback';
      expect({ id, given: new Set(given.filter((answer) => answer !== 'unknown')) }).toEqual({
        id,
        given: new Set([truth]),
      });
    }
    expect(new Set(shop.calls.committed)).toEqual(orders);
    expect(shop.calls.rolledBack.filter((id) => orders.has(id))).toEqual([]);
    // The race was one: some were first, some were not.
    expect(orders.size).toBeGreaterThan(5);
    const fenced = shop.calls.prepared.length - orders.size;
    expect(fenced).toBeGreaterThan(5);
  }, 90_000);

  test('one id at several instances at once is committed once, and never told to be rolled back then', async () => {
    const random = numbersFrom(20_250_602);
    await shops[0]!.dataSource.query('DELETE FROM shop_order');
    const reader = new Shop(await database.open());
    const rolledBackBefore = shops.map(({ calls }) => calls.rolledBack.length);
    const committedBefore = shops.map(({ calls }) => calls.committed.length);

    const attempt = async (shop: Shop, id: string, name: string): Promise<void> => {
      const [waitMs, workMs, fails] = [random() * 6, random() * 4, random() < 0.5];
      await delay(waitMs);
      const work = async (manager: Shop['dataSource']['manager']) => {
        await insertOrder(`${id}-${name}`)(manager);
        await delay(workMs);
        if (fails) throw new Error('out of stock');
      };
      const sent = shop.transactions.sendInTransaction(message, work, { transactionId: id, timeoutMs: 20_000 });
      await sent.catch(() => undefined);
    };
    const race = async (n: number): Promise<void> => {
      const id = `same-${n}`;
      const checks = [random() * 12, random() * 12].map((waitMs, c) => delay(waitMs).then(() => shops[c]!.ask(id)));
      const attempts = shops.map((shop, s) => attempt(shop, id, String(s)));
      const again = delay(random() * 10).then(() => attempt(shops[0]!, id, 'again'));
      const answers = await Promise.all(checks);
      await Promise.all([...attempts, again]);
      const orders = (await reader.orders()).filter((order) => order.startsWith(`${id}-`));
      expect(orders.length).toBeLessThanOrEqual(1);
      const told = (what: 'committed' | 'rolledBack', before: number[]) =>
        shops.some(({ calls }, s) => calls[what].slice(before[s]).includes(id));
      expect({ id, committed: told('committed', committedBefore) }).toEqual({ id, committed: orders.length === 1 });
      if (orders.length === 1) {
        expect({ id, rolledBack: told('rolledBack', rolledBackBefore) }).toEqual({ id, rolledBack: false });
        expect(answers).not.toContain('rollback');
      } else {
        expect(answers).not.toContain('commit');
      }
    };
    const left = Array.from({ length: 60 }, (_, n) => n);
    const runner = async () => {
      for (let n = left.pop(); n !== undefined; n = left.pop()) await race(n);
    };
    await Promise.all(Array.from({ length: 3 }, runner));
    expect((await reader.orders()).length).toBeGreaterThan(5);
  }, 90_000);
});
