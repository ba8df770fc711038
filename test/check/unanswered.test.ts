import type { ProducerAsker } from '../../src/check/producer-asker.js';
import { answering, hanging } from '../callback/target-server.js';
import { CheckFixture, commit, idOf, unknown } from './check-fixture.js';

describe('CheckBack without an answer', () => {
  let fixture: CheckFixture;
  beforeEach(async () => {
    fixture = await CheckFixture.fresh();
  });
  afterEach(() => fixture.close());

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

  it('takes an asker that fails for a defect, but not when it fails because its time is over', async () => {
    const asker: ProducerAsker = {
      canAsk: () => true,
      ask: ({ check }, _producer, _secrets, signal) =>
        check.transactionId === 'broken'
          ? Promise.reject(new Error('a defect'))
          : new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    };
    await fixture.producer('shop', 'http://127.0.0.1:9');
    await fixture.prepare('shop', 'slow');
    const checkBack = fixture.checkBack({ checkTimeoutMs: 200 }, fixture.store, [asker]);
    await fixture.pass(checkBack, 6_000);
    expect((await fixture.transaction('slow')).checks.map(({ outcome }) => outcome)).toEqual(['timeout']);
    expect(fixture.errors).toEqual([]);
    await fixture.resolve('slow', 'commit', 'client');
    await fixture.prepare('shop', 'broken');
    await fixture.pass(checkBack, 60_000);
    expect((await fixture.transaction('broken')).checks.map(({ outcome }) => outcome)).toEqual(['unreachable']);
    expect(fixture.errors).toEqual(['asking a producer failed unexpectedly']);
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
    await fixture.store.catalog.deleteTopic('orders', true);
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

  it('notes an asker that throws as no answer', async () => {
    await fixture.producer('shop', 'http://127.0.0.1:1/');
    await fixture.prepare('shop', 'a');
    const broken = { canAsk: () => true, ask: () => Promise.reject(new Error('defect')) };
    await fixture.pass(fixture.checkBack({}, undefined, [broken]), 6_000);
    expect(await fixture.transaction('a')).toMatchObject({ state: 'prepared', checks: [{ outcome: 'unreachable' }] });
  });
});
