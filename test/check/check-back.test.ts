import { answering } from '../callback/target-server.js';
import { CheckFixture, commit, idOf, rollback, unknown } from './check-fixture.js';

describe('CheckBack', () => {
  let fixture: CheckFixture;
  beforeEach(async () => {
    fixture = await CheckFixture.fresh();
  });
  afterEach(() => fixture.close());

  it('asks when the first check is due and resolves by the answer', async () => {
    const server = await fixture.server((call, response) => (idOf(call) === 'a' ? commit : rollback)(call, response));
    await fixture.producer('shop', server.url);
    await fixture.prepare('shop', 'a', 'b');
    const checkBack = fixture.checkBack();

    await fixture.pass(checkBack, 5_999);
    expect(server.calls).toEqual([]);
    await fixture.pass(checkBack, 1);
    expect(server.calls.map(idOf).sort()).toEqual(['a', 'b']);
    expect(JSON.parse(server.calls[0]!.text)).toMatchObject({
      producer: 'shop',
      attempt: 1,
      messages: [{ body: { a: 1 } }],
    });

    expect(await fixture.transaction('a')).toMatchObject({
      state: 'committed',
      resolvedBy: 'check',
      messages: [{ placement: { offset: 0 } }],
      checks: [{ attempt: 1, at: fixture.clock.time, outcome: 'commit' }],
    });
    expect(await fixture.transaction('b')).toMatchObject({ state: 'rolled_back', resolvedBy: 'check' });
  });

  it('asks again every 30 s and parks after 15 unknowns', async () => {
    const server = await fixture.server(unknown);
    await fixture.producer('shop', server.url);
    await fixture.prepare('shop', 'a');
    const checkBack = fixture.checkBack();
    await fixture.pass(checkBack, 6_000);
    for (let check = 2; check <= 15; check += 1) {
      await fixture.pass(checkBack, 29_999);
      expect(server.calls).toHaveLength(check - 1);
      expect((await fixture.transaction('a')).state).toBe('prepared');
      await fixture.pass(checkBack, 1);
    }
    expect(server.calls).toHaveLength(15);
    const view = await fixture.transaction('a');
    expect(view.state).toBe('parked');
    expect(view.checks.map(({ attempt }) => attempt)).toEqual(Array.from({ length: 15 }, (_, index) => index + 1));
    expect(fixture.observed.at(-1)).toBe('parked: unknown-answers');

    await fixture.pass(checkBack, 24 * 3_600_000);
    expect(server.calls).toHaveLength(15);
  });

  it("goes by the producer's own interval and number of checks", async () => {
    const server = await fixture.server(unknown);
    await fixture.producer('shop', server.url, { checkIntervalMs: 500, checkMax: 2 });
    await fixture.prepare('shop', 'a');
    const checkBack = fixture.checkBack();
    await fixture.pass(checkBack, 6_000);
    await fixture.pass(checkBack, 500);
    expect((await fixture.transaction('a')).state).toBe('parked');
  });

  it('resolves a parked transaction by a late answer, as check', async () => {
    const server = await fixture.server(unknown);
    await fixture.producer('shop', server.url, { checkMax: 1 });
    await fixture.prepare('shop', 'a', 'b', 'c');
    const checkBack = fixture.checkBack();
    await fixture.pass(checkBack, 6_000);
    expect((await fixture.transaction('a')).state).toBe('parked');

    server.reply = unknown;
    await checkBack.checkNow('a');
    expect(await fixture.transaction('a')).toMatchObject({ state: 'parked', checks: [{}, { outcome: 'unknown' }] });
    server.reply = commit;
    await checkBack.checkNow('a');
    expect(await fixture.transaction('a')).toMatchObject({ state: 'committed', resolvedBy: 'check' });
    server.reply = rollback;
    await checkBack.checkNow('b');
    expect(await fixture.transaction('b')).toMatchObject({ state: 'rolled_back', resolvedBy: 'check' });
    expect((await fixture.transaction('c')).state).toBe('parked');
  });

  it('resolves by an answer that comes after its claim was lost and the transaction was parked', async () => {
    let answerLate = () => {};
    const server = await fixture.server((call, response) => {
      if (server.calls.length > 1) return unknown(call, response);
      answerLate = () => commit(call, response);
      fixture.clock.time += 31_000;
      // The other node asks meanwhile, and its answer parks the transaction.
      void other.runOnce(fixture.clock.time).then(() => answerLate());
    });
    await fixture.producer('shop', server.url, { checkMax: 1 });
    await fixture.prepare('shop', 'a');
    const other = fixture.checkBack();
    const checkBack = fixture.checkBack();
    await fixture.pass(checkBack, 6_000);
    expect(server.calls).toHaveLength(2);
    expect(fixture.observed).toEqual(['unknown', 'parked: unknown-answers', 'commit']);
    expect(await fixture.transaction('a')).toMatchObject({ state: 'committed', resolvedBy: 'check' });
  });

  it('changes nothing when the producer contradicts what its transaction already is', async () => {
    const server = await fixture.server((call, response) => {
      void fixture.resolve('a', 'rollback', 'client').then(() => commit(call, response));
    });
    await fixture.producer('shop', server.url);
    await fixture.prepare('shop', 'a');
    await fixture.pass(fixture.checkBack(), 6_000);
    expect(await fixture.transaction('a')).toMatchObject({ state: 'rolled_back', resolvedBy: 'client' });
    expect(fixture.observed).toEqual(['commit', 'contradicted']);
  });

  it('keeps the last attempts only', async () => {
    const server = await fixture.server(answering(500));
    await fixture.producer('shop', server.url);
    await fixture.prepare('shop', 'a');
    const checkBack = fixture.checkBack({ historyMax: 3 });
    for (let minute = 0; minute < 6; minute += 1) await fixture.pass(checkBack, 60_000);
    expect((await fixture.transaction('a')).checks.map(({ attempt }) => attempt)).toEqual([4, 5, 6]);
  });

  it('works through more than one claim holds', async () => {
    const server = await fixture.server(commit);
    await fixture.producer('shop', server.url);
    const ids = Array.from({ length: 45 }, (_, index) => `t-${index}`);
    await fixture.prepare('shop', ...ids);
    await fixture.pass(fixture.checkBack({ claimMax: 10 }), 6_000);
    expect(server.calls.map(idOf).sort()).toEqual([...ids].sort());
    expect(server.concurrencyMax).toBeLessThanOrEqual(8);
  });

  it('runs by itself, and gives back at its stop what it has not asked', async () => {
    let hold = true;
    const server = await fixture.server((call, response) => void (hold || commit(call, response)));
    await fixture.producer('shop', server.url);
    await fixture.prepare('shop', 'a', 'b', 'c');
    fixture.clock.time += 6_000;
    const checkBack = fixture.checkBack({ asksPerProducerMax: 1, checkTimeoutMs: 500, pollMs: 10 });
    checkBack.start();
    const deadline = performance.now() + 5_000;
    while (server.calls.length === 0 && performance.now() < deadline) await new Promise((done) => setImmediate(done));
    await checkBack.stop();
    expect(server.calls).toHaveLength(1);

    hold = false;
    await fixture.pass(fixture.checkBack(), 2_000);
    expect(server.calls).toHaveLength(4);
  });
});
