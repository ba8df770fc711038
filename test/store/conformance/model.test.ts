import * as fc from 'fast-check';
import type { TransactionState } from '../../../src/message/transaction.js';
import type { MessageStore } from '../../../src/store/message-store.js';
import { describeConformance } from '../databases.js';
import {
  append,
  commit,
  endings,
  makeTopic,
  message,
  prepareItem,
  readWholeLog,
  rollback,
  send,
  settleAll,
  unique,
} from './half-fixture.js';

/** What a call does to one of a few transactions or messages, by its number. */
type Step =
  | {
      call: 'prepare' | 'append';
      items: { kind: 'prepare' | 'commit' | 'rollback' | 'send'; number: number; body: number }[];
    }
  | { call: 'check'; outcome: 'unknown' | 'park' | 'postpone' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    call: fc.constant('prepare' as const),
    items: fc.array(fc.record({ kind: fc.constant('prepare' as const), number: fc.nat(4), body: fc.nat(1) }), {
      minLength: 1,
      maxLength: 4,
    }),
  }),
  fc.record({
    call: fc.constant('append' as const),
    items: fc.array(
      fc.record({
        kind: fc.constantFrom('commit' as const, 'rollback' as const, 'send' as const),
        number: fc.nat(4),
        body: fc.nat(1),
      }),
      { minLength: 1, maxLength: 6 },
    ),
  }),
  fc.record({
    call: fc.constant('check' as const),
    outcome: fc.constantFrom('unknown' as const, 'park' as const, 'postpone' as const),
  }),
);

/** What the store must do, in memory. */
class Model {
  readonly transactions = new Map<number, { state: TransactionState; body: number }>();
  readonly sent = new Map<number, number>();
  /** Ids of messages in the order in which they became visible in a topic of one shard. */
  readonly visible: string[] = [];

  constructor(private readonly prefix: string) {}

  prepare(number: number, body: number): string {
    const before = this.transactions.get(number);
    if (before) return before.body === body ? 'repeated' : 'id-reused';
    this.transactions.set(number, { state: 'prepared', body });
    return 'ok';
  }

  resolve(kind: 'commit' | 'rollback', number: number): string {
    const transaction = this.transactions.get(number);
    if (!transaction) return 'transaction-not-found';
    const { state } = transaction;
    if (state === 'committed') return kind === 'commit' ? 'repeated' : 'transaction-already-committed';
    if (state === 'rolled_back') return kind === 'rollback' ? 'repeated' : 'transaction-already-rolled-back';
    transaction.state = kind === 'commit' ? 'committed' : 'rolled_back';
    if (kind === 'commit') this.visible.push(`${this.prefix}-half-${number}`);
    return 'ok';
  }

  send(number: number, body: number): string {
    const before = this.sent.get(number);
    if (before !== undefined) return before === body ? 'repeated' : 'id-reused';
    this.sent.set(number, body);
    this.visible.push(`${this.prefix}-sent-${number}`);
    return 'ok';
  }
}

describeConformance('The half store against a model', (open, kind) => {
  let store: MessageStore;

  beforeAll(async () => {
    ({ store } = await open());
  });

  async function run(steps: Step[]): Promise<void> {
    await settleAll(store);
    const topic = await makeTopic(store, 1);
    const prefix = unique('p');
    const model = new Model(prefix);
    let now = 1_000;
    const idOf = (number: number) => `${prefix}-tx-${number}`;
    for (const taken of steps) {
      now += 100_000;
      if (taken.call === 'check') {
        const checks = await store.checks.claimDue(now, 10, 100);
        const open = [...model.transactions]
          .filter(([, { state }]) => state === 'prepared')
          .map(([number]) => idOf(number));
        expect(checks.map(({ transactionId }) => transactionId).toSorted()).toEqual(open.toSorted());
        if (taken.outcome === 'postpone') await store.checks.postpone(checks, now);
        else {
          const parks = taken.outcome === 'park';
          for (const check of checks) {
            const attempt = { attempt: check.attempt, at: now, outcome: 'unknown', latencyMs: 0 } as const;
            expect(await store.checks.record(check, attempt, parks ? { park: true } : { dueAt: now }, 5)).toBe(true);
          }
          for (const transaction of model.transactions.values()) {
            if (parks && transaction.state === 'prepared') transaction.state = 'parked';
          }
        }
      } else if (taken.call === 'prepare') {
        const items = taken.items.map(({ number, body }) =>
          prepareItem([message(topic, { id: `${prefix}-half-${number}`, body: { json: `${body}` } })], {
            transactionId: idOf(number),
          }),
        );
        const outcomes = await store.half.prepare(items, now);
        expect(endings(outcomes)).toEqual(taken.items.map(({ number, body }) => model.prepare(number, body)));
        outcomes.forEach(({ value }, index) => {
          if (value) expect(value.id).toBe(items[index]!.transactionId);
        });
      } else {
        const expected = expectedEndings(taken.items, model);
        const items = taken.items.map((item) => {
          if (item.kind === 'commit') return commit(idOf(item.number));
          if (item.kind === 'rollback') return rollback(idOf(item.number));
          return send(message(topic, { id: `${prefix}-sent-${item.number}`, body: { json: `${item.body}` } }));
        });
        expect(endings(await append(store, items, now))).toEqual(expected);
      }
      const states = new Map<string, TransactionState>();
      for (const number of model.transactions.keys()) {
        const view = await store.lookup.getTransaction(idOf(number), false);
        states.set(idOf(number), view!.state);
      }
      expect([...states.values()]).toEqual([...model.transactions.values()].map(({ state }) => state));
    }
    expect((await readWholeLog(store, topic)).map(({ id }) => id)).toEqual(model.visible);
  }

  it('does what the model does for any sequence of prepares, commits, rollbacks, sends and checks', async () => {
    const numRuns = kind === 'sqlite' ? 60 : 25;
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 10 }), run), { numRuns });
  }, 120_000);
});

function expectedEndings(items: Extract<Step, { call: 'prepare' | 'append' }>['items'], model: Model): string[] {
  return items.map(({ kind, number, body }) =>
    kind === 'commit' || kind === 'rollback' ? model.resolve(kind, number) : model.send(number, body),
  );
}
