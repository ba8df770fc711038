import type { CheckAttempt, CheckOutcome } from '../../../src/message/transaction.js';
import type { MessageStore } from '../../../src/store/message-store.js';
import { describeConformance, type ConformingStore } from '../databases.js';
import {
  append,
  commit,
  makeTopic,
  message,
  prepared,
  prepareItem,
  rollback,
  settleAll,
  unique,
  valueOf,
} from './half-fixture.js';

const leaseMs = 10_000;

function attempt(number: number, outcome: CheckOutcome, fields: Partial<CheckAttempt> = {}): CheckAttempt {
  return { attempt: number, at: 8_000 + number, outcome, latencyMs: 12, ...fields };
}

describeConformance('CheckStore', (open) => {
  let opened: ConformingStore;
  let store: MessageStore;
  let topic: string;

  beforeAll(async () => {
    opened = await open();
    store = opened.store;
    topic = await makeTopic(store);
  });

  beforeEach(() => settleAll(store));

  it('claims what is due, oldest first, with what a check needs', async () => {
    const later = await prepared(store, [message(topic)], 2_000);
    const item = prepareItem([message(topic), message(topic)], { producer: 'bank' });
    valueOf((await store.half.prepare([item], 1_000))[0]);
    expect(await store.checks.claimDue(6_999, leaseMs, 10)).toEqual([]);
    const [claimed, ...rest] = await store.checks.claimDue(7_000, leaseMs, 10);
    expect(rest).toEqual([]);
    expect(claimed).toEqual({
      transactionId: item.transactionId,
      producer: 'bank',
      state: 'prepared',
      claimToken: expect.any(String) as string,
      attempt: 1,
      answered: 0,
      preparedAt: 1_000,
      messageIds: item.messages.map(({ id }) => id),
    });
    const third = await prepared(store, [message(topic)], 1_500);
    const both = await store.checks.claimDue(9_000, leaseMs, 10);
    expect(both.map(({ transactionId }) => transactionId)).toEqual([third, later]);
  });

  it('claims no more than asked for, and the rest next time', async () => {
    const ids = await Promise.all([1, 2, 3].map((at) => prepared(store, [message(topic)], at)));
    const first = await store.checks.claimDue(50_000, leaseMs, 2);
    const second = await store.checks.claimDue(50_000, leaseMs, 2);
    expect([...first, ...second].map(({ transactionId }) => transactionId)).toEqual(ids);
    expect(await store.checks.claimDue(50_000, leaseMs, 2)).toEqual([]);
  });

  it('lets a claim lapse that nobody ended, and fences its holder from then on', async () => {
    const id = await prepared(store, [message(topic)]);
    const [lost] = await store.checks.claimDue(7_000, leaseMs, 10);
    expect(await store.checks.claimDue(16_999, leaseMs, 10)).toEqual([]);
    const [held] = await store.checks.claimDue(17_000, leaseMs, 10);
    expect(held!.transactionId).toBe(id);
    expect(await store.checks.record(lost!, attempt(1, 'unknown'), { dueAt: 1 }, 10)).toBe(false);
    await store.checks.postpone([lost!], 1);
    const view = await store.lookup.getTransaction(id, false);
    expect(view).toMatchObject({ state: 'prepared', nextCheckAt: 27_000, checks: [] });
    expect(await store.checks.record(held!, attempt(1, 'unknown'), { dueAt: 40_000 }, 10)).toBe(true);
  });

  it('records asks: all are counted, answers apart, and the next one is due when it was said', async () => {
    const id = await prepared(store, [message(topic)]);
    const outcomes: CheckOutcome[] = ['unreachable', 'timeout', 'unknown', 'invalid'];
    let now = 7_000;
    for (const [index, outcome] of outcomes.entries()) {
      const [check] = await store.checks.claimDue(now, leaseMs, 10);
      expect(check).toMatchObject({ attempt: index + 1, answered: index > 2 ? 1 : 0 });
      const error = outcome === 'unknown' ? {} : { error: `fail ü ${index}` };
      const ended = attempt(index + 1, outcome, error);
      expect(await store.checks.record(check!, ended, { dueAt: now + 500 }, 3)).toBe(true);
      expect((await store.lookup.getTransaction(id, false))!.nextCheckAt).toBe(now + 500);
      expect(await store.checks.claimDue(now + 499, leaseMs, 10)).toEqual([]);
      now += 500;
    }
    const { checks } = (await store.lookup.getTransaction(id, false))!;
    expect(checks).toEqual([
      attempt(2, 'timeout', { error: 'fail ü 1' }),
      attempt(3, 'unknown'),
      attempt(4, 'invalid', { error: 'fail ü 3' }),
    ]);
  });

  it('parks: never due again, still open for a check on demand and for a resolution', async () => {
    const id = await prepared(store, [message(topic)]);
    const [check] = await store.checks.claimDue(7_000, leaseMs, 10);
    expect(await store.checks.record(check!, attempt(1, 'unknown'), { park: true }, 10)).toBe(true);
    const view = (await store.lookup.getTransaction(id, false))!;
    expect(view.state).toBe('parked');
    expect(view.nextCheckAt).toBeUndefined();
    expect(await store.checks.claimDue(1e12, leaseMs, 10)).toEqual([]);
    const again = await store.checks.claimOne(id, 90_000, leaseMs);
    expect(again).toMatchObject({ transactionId: id, state: 'parked', attempt: 2, answered: 1 });
    expect(await store.checks.record(again!, attempt(2, 'unknown'), { dueAt: 5 }, 10)).toBe(true);
    expect((await store.lookup.getTransaction(id, false))!.state).toBe('parked');
    const result = valueOf((await append(store, [{ kind: 'commit', transactionId: id, by: 'check' }]))[0]);
    expect(result.transaction).toMatchObject({ state: 'committed', resolvedBy: 'check' });
  });

  it('claims one transaction on demand, unless it is final, unknown or claimed', async () => {
    const id = await prepared(store, [message(topic)], 1_000);
    const check = await store.checks.claimOne(id, 2_000, leaseMs);
    expect(check).toMatchObject({ transactionId: id, state: 'prepared', attempt: 1 });
    expect(await store.checks.claimOne(id, 2_000, leaseMs)).toBeNull();
    expect(await store.checks.claimDue(11_999, leaseMs, 10)).toEqual([]);
    expect(await store.checks.claimOne(id, 12_000, leaseMs)).not.toBeNull();
    const final = await prepared(store, [message(topic)]);
    await append(store, [rollback(final)]);
    expect(await store.checks.claimOne(final, 2_000, leaseMs)).toBeNull();
    expect(await store.checks.claimOne(unique('none'), 2_000, leaseMs)).toBeNull();
  });

  it('postpones without counting an ask, and gives the claim back', async () => {
    const ids = await Promise.all([1, 2].map((at) => prepared(store, [message(topic)], at)));
    const checks = await store.checks.claimDue(7_000, leaseMs, 10);
    await store.checks.postpone(checks, 30_000);
    expect(await store.checks.claimDue(29_999, leaseMs, 10)).toEqual([]);
    expect(await store.checks.claimOne(ids[0]!, 25_000, leaseMs)).not.toBeNull();
    const [second] = await store.checks.claimDue(30_000, leaseMs, 10);
    expect(second).toMatchObject({ transactionId: ids[1], attempt: 1, answered: 0 });
    await store.checks.postpone([], 1);
  });

  it('keeps the attempt in the history when the transaction was resolved meanwhile, and changes nothing else', async () => {
    const id = await prepared(store, [message(topic)]);
    const [check] = await store.checks.claimDue(7_000, leaseMs, 10);
    await append(store, [commit(id)], 7_500);
    expect(await store.checks.record(check!, attempt(1, 'rollback'), { park: true }, 10)).toBe(false);
    const view = await store.lookup.getTransaction(id, false);
    expect(view).toMatchObject({ state: 'committed', resolvedAt: 7_500, checks: [attempt(1, 'rollback')] });
    expect(await store.checks.claimDue(1e12, leaseMs, 10)).toEqual([]);
  });

  it('never gives one transaction to two checkers', async () => {
    const items = Array.from({ length: 90 }, () => prepareItem([message(topic)]));
    await store.half.prepare(items, 1_000);
    const checkers = [store, ...(await Promise.all([1, 2, 3].map(() => opened.another())))];
    const claims = await Promise.all(
      checkers.flatMap((checker) => [0, 1, 2].map(() => checker.checks.claimDue(50_000, leaseMs, 7))),
    );
    const ids = claims.flat().map(({ transactionId }) => transactionId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThan(0);
    const one = items[0]!.transactionId;
    const onDemand = await Promise.all(checkers.map((checker) => checker.checks.claimOne(one, 70_000, leaseMs)));
    expect(onDemand.filter((claim) => claim !== null)).toHaveLength(1);
  });

  it('makes due what was put off because the producer could not be asked, and nothing else', async () => {
    const producer = unique('shop');
    const prepare = async (at: number, ofProducer = producer) => {
      const item = prepareItem([message(topic)], { producer: ofProducer });
      valueOf((await store.half.prepare([item], at))[0]);
      return item.transactionId;
    };
    const askedThen = async (id: string, number: number, outcome: CheckOutcome, dueAt: number) => {
      const claimed = await store.checks.claimOne(id, 8_000, leaseMs);
      await store.checks.record(claimed!, attempt(number, outcome), { dueAt }, 10);
    };
    const putOffUnasked = await prepare(1_000);
    await store.checks.postpone([(await store.checks.claimOne(putOffUnasked, 8_000, leaseMs))!], 60_000);
    const unanswered = await prepare(1_001);
    await askedThen(unanswered, 1, 'unknown', 9_000);
    await askedThen(unanswered, 2, 'unreachable', 61_000);
    const waitsForInterval = await prepare(1_002);
    await askedThen(waitsForInterval, 1, 'timeout', 9_000);
    await askedThen(waitsForInterval, 2, 'unknown', 40_000);
    const farAway = await prepare(1_003);
    await askedThen(farAway, 1, 'invalid', 500_000);
    const notYetFirst = await prepare(7_500);
    const ofAnother = await prepare(1_004, unique('other'));
    await askedThen(ofAnother, 1, 'unreachable', 50_000);
    const held = await prepare(1_005);
    const claim = await store.checks.claimOne(held, 8_000, 50_000);

    // The first of the two that it looks at waits for its interval.
    expect(await store.checks.makeDue(producer, 10_000, 70_000, 2)).toBe(1);
    expect(await store.checks.makeDue(producer, 10_001, 70_000, 100)).toBe(1);
    const due = async (id: string) => (await store.lookup.getTransaction(id, false))!.nextCheckAt;
    const dueTimes = await Promise.all(
      [putOffUnasked, unanswered, waitsForInterval, farAway, notYetFirst, ofAnother, held].map(due),
    );
    expect(dueTimes).toEqual([10_000, 10_001, 40_000, 500_000, 13_500, 50_000, 58_000]);
    expect(await store.checks.record(claim!, attempt(1, 'unknown'), { dueAt: 70_000 }, 10)).toBe(true);
    const claimed = await store.checks.claimDue(10_001, leaseMs, 10);
    expect(claimed.map(({ transactionId }) => transactionId)).toEqual([putOffUnasked, unanswered]);
  });
});
