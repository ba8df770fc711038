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

describe.each(applicationServers)('checks that race local transactions on $name', ({ provide }) => {
  let database: ApplicationDatabase;
  let shops: Shop[];

  beforeAll(async () => {
    database = await (await provide()).prepare();
    shops = await Promise.all(
      ['one', 'two', 'three'].map(async (instance) => new Shop(await database.open({ poolSize: 4 }), { instance })),
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
});
