import { answering, hanging, type ReceivedCall } from '../callback/target-server.js';
import { openTestStore, sqliteServer, type TestStore } from '../store/databases.js';
import { CheckFixture } from './check-fixture.js';

const commit = answering(200, '{"resolution":"commit"}');
const rollback = answering(200, '{"resolution":"rollback"}');
const unknown = answering(200, '{"resolution":"unknown"}');

const idOf = ({ text }: ReceivedCall) => (JSON.parse(text) as { transactionId: string }).transactionId;

describe('CheckBack', () => {
  let opened: TestStore;
  let fixture: CheckFixture;
  beforeEach(async () => {
    opened = await openTestStore(sqliteServer);
    fixture = await CheckFixture.on(opened.store);
  });
  afterEach(async () => {
    await fixture.close();
    await opened.close();
  });

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

  it('burns no check on a producer that is down, and asks it within 60 s of its coming back', async () => {
    const server = await fixture.server(unknown);
    await fixture.producer('shop', server.url);
    const ids = Array.from({ length: 30 }, (_, index) => `t-${String(index).padStart(2, '0')}`);
    await fixture.prepare('shop', ...ids);
    const { port } = server;
    await server.close();
    const checkBack = fixture.checkBack();
    // An hour of polls, while nobody listens.
    for (let second = 0; second < 3_600; second += 5) await fixture.pass(checkBack, 5_000);
    const { state, checks } = await fixture.transaction('t-00');
    expect(state).toBe('prepared');
    expect(checks.every(({ outcome }) => outcome === 'unreachable')).toBe(true);
    expect(await fixture.reachable(checkBack, 'shop')).toBe(false);
    const asks = fixture.observed.length;
    expect(asks).toBeLessThan(120);

    await server.listen(port);
    server.reply = commit;
    for (let second = 0; second < 60; second += 1) await fixture.pass(checkBack, 1_000);
    expect(await fixture.reachable(checkBack, 'shop')).toBe(true);
    for (const id of ids) expect((await fixture.transaction(id)).state).toBe('committed');
  });

  it('counts garbage and hanging as no answer', async () => {
    const server = await fixture.server(answering(200, 'commit'));
    await fixture.producer('shop', server.url, { checkMax: 1 });
    await fixture.prepare('shop', 'a');
    const checkBack = fixture.checkBack({ checkTimeoutMs: 2_000 });
    await fixture.pass(checkBack, 6_000);
    server.reply = hanging;
    await fixture.pass(checkBack, 60_000);
    const view = await fixture.transaction('a');
    expect(view.state).toBe('prepared');
    expect(view.checks.map(({ outcome }) => outcome)).toEqual(['invalid', 'timeout']);
    server.reply = commit;
    await fixture.pass(checkBack, 60_000);
    expect((await fixture.transaction('a')).state).toBe('committed');
  });

  it('is not kept from the others by one transaction that the producer cannot answer', async () => {
    const server = await fixture.server((call, response) =>
      (idOf(call) === 'poison' ? answering(500) : commit)(call, response),
    );
    await fixture.producer('shop', server.url);
    await fixture.prepare('shop', 'poison', 'x1', 'x2', 'x3');
    const checkBack = fixture.checkBack({ asksPerProducerMax: 1 });
    await fixture.pass(checkBack, 6_000);
    for (let second = 0; second < 5; second += 1) await fixture.pass(checkBack, 1_000);
    for (const id of ['x1', 'x2', 'x3']) expect((await fixture.transaction(id)).state).toBe('committed');
    expect((await fixture.transaction('poison')).state).toBe('prepared');
  });

  it('lets no slow producer delay another', async () => {
    const slow = await fixture.server(hanging);
    const quick = await fixture.server(commit);
    await fixture.producer('quick', quick.url);
    for (let producer = 0; producer < 5; producer += 1) {
      await fixture.producer(`slow-${producer}`, slow.url);
      const ids = Array.from({ length: 40 }, (_, index) => `s-${producer}-${index}`);
      await fixture.prepare(`slow-${producer}`, ...ids);
    }
    fixture.clock.time += 1;
    await fixture.prepare('quick', 'q');
    const checkBack = fixture.checkBack({ checkTimeoutMs: 3_000 });
    fixture.clock.time += 6_000;
    const startedAt = performance.now();
    const run = checkBack.runOnce(fixture.clock.time);
    while (quick.calls.length === 0 && performance.now() - startedAt < 2_900) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(quick.calls).toHaveLength(1);
    expect(slow.concurrencyMax).toBeLessThanOrEqual(5 * 8);
    await run;
  });

  it('does not ask a producer without a way to be asked, and parks its transactions at the age limit', async () => {
    await fixture.producer('mute');
    await fixture.prepare('mute', 'a');
    await fixture.prepare('unknown-producer', 'b');
    const checkBack = fixture.checkBack();
    for (let minute = 0; minute < 10; minute += 1) await fixture.pass(checkBack, 60_000);
    expect(await fixture.transaction('a')).toMatchObject({ state: 'prepared', checks: [] });

    await fixture.pass(checkBack, 3 * 24 * 3_600_000);
    for (const id of ['a', 'b']) {
      expect(await fixture.transaction(id)).toMatchObject({
        state: 'parked',
        checks: [{ outcome: 'unreachable', error: 'not asked: the producer has no way to be asked' }],
      });
    }
    expect(fixture.observed).toEqual(['parked: age', 'parked: age']);
  });

  it('parks at the age limit also when the last ask was not answered', async () => {
    const server = await fixture.server(answering(503));
    await fixture.producer('shop', server.url);
    await fixture.prepare('shop', 'a');
    const checkBack = fixture.checkBack();
    await fixture.pass(checkBack, 6_000);
    await fixture.pass(checkBack, 3 * 24 * 3_600_000);
    expect((await fixture.transaction('a')).state).toBe('parked');
  });

  it('parks at the age limit what its producer answers and the broker cannot do', async () => {
    const server = await fixture.server(commit);
    await fixture.producer('shop', server.url, { checkMax: 3 });
    await fixture.prepare('shop', 'a');
    await opened.store.catalog.deleteTopic('orders', true);
    const checkBack = fixture.checkBack();
    await fixture.pass(checkBack, 6_000);
    for (let ask = 0; ask < 3; ask += 1) await fixture.pass(checkBack, 30_000);
    expect((await fixture.transaction('a')).state).toBe('prepared');
    await fixture.pass(checkBack, 3 * 24 * 3_600_000);
    expect((await fixture.transaction('a')).state).toBe('parked');
    expect(fixture.observed.at(-1)).toBe('parked: age');
  });

  it('asks a producer soon after it was given a way', async () => {
    const server = await fixture.server(commit);
    await fixture.producer('shop');
    await fixture.prepare('shop', 'a');
    const checkBack = fixture.checkBack();
    await fixture.pass(checkBack, 6_000);
    await fixture.producer('shop', server.url);
    checkBack.forget('shop');
    for (let second = 0; second < 60; second += 1) await fixture.pass(checkBack, 1_000);
    expect((await fixture.transaction('a')).state).toBe('committed');
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

  it('notes an asker that throws as no answer', async () => {
    await fixture.producer('shop', 'http://127.0.0.1:1/');
    await fixture.prepare('shop', 'a');
    const broken = { canAsk: () => true, ask: () => Promise.reject(new Error('defect')) };
    await fixture.pass(fixture.checkBack({}, undefined, [broken]), 6_000);
    expect(await fixture.transaction('a')).toMatchObject({ state: 'prepared', checks: [{ outcome: 'unreachable' }] });
  });

  describe('checkNow', () => {
    it('asks before the check is due', async () => {
      const server = await fixture.server(commit);
      await fixture.producer('shop', server.url);
      await fixture.prepare('shop', 'a');
      await fixture.checkBack().checkNow('a');
      expect(await fixture.transaction('a')).toMatchObject({ state: 'committed', resolvedBy: 'check' });
    });

    it('asks a producer that is backed off, and its answer ends the back-off', async () => {
      const server = await fixture.server(answering(500));
      await fixture.producer('shop', server.url);
      await fixture.prepare('shop', 'a', 'b');
      const checkBack = fixture.checkBack();
      await fixture.pass(checkBack, 6_000);
      server.reply = commit;
      await checkBack.checkNow('a');
      expect((await fixture.transaction('a')).state).toBe('committed');
      expect(await fixture.reachable(checkBack, 'shop')).toBe(true);
    });

    it('asks nothing about final and unknown transactions', async () => {
      const server = await fixture.server(commit);
      await fixture.producer('shop', server.url);
      await fixture.prepare('shop', 'a');
      await fixture.resolve('a', 'rollback', 'client');
      await fixture.checkBack().checkNow('a');
      await fixture.checkBack().checkNow('nobody');
      expect(server.calls).toEqual([]);
    });

    it('waits for the ask of another node', async () => {
      let answer = () => {};
      const server = await fixture.server((call, response) => {
        answer = () => commit(call, response);
        called();
      });
      let called = () => {};
      const isAsked = new Promise<void>((resolve) => (called = resolve));
      await fixture.producer('shop', server.url);
      await fixture.prepare('shop', 'a');
      const first = fixture.checkBack().checkNow('a');
      await isAsked;
      const second = fixture.checkBack().checkNow('a');
      answer();
      await Promise.all([first, second]);
      expect(server.calls).toHaveLength(1);
      expect((await fixture.transaction('a')).state).toBe('committed');
    });

    it('is bounded', async () => {
      const server = await fixture.server(hanging);
      await fixture.producer('shop', server.url);
      await fixture.prepare('shop', 'a', 'b');
      const checkBack = fixture.checkBack({ checkNowMax: 1, checkTimeoutMs: 300 });
      const first = checkBack.checkNow('a');
      await expect(checkBack.checkNow('b')).rejects.toMatchObject({ slug: 'overloaded' });
      await first;
    });
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
