import { until } from '../queue/until.js';
import { noCounts } from './bridge-counts.js';
import { Bridging } from './bridging.js';

describe('queue bridge while the engine or the store is away, or the engine has lost what it held', () => {
  let bridging: Bridging;
  beforeEach(() => {
    bridging = new Bridging();
  });
  afterEach(() => bridging.stop());

  /** A bridge that does not know that its one job was enqueued, which has run. */
  const ranUnknown = async () => {
    let runs = 0;
    bridging.work(() => void runs++);
    const quiet = bridging.bridge();
    await quiet.fill();
    bridging.owned.add(1);
    bridging.engine.answersLost = 1;
    await expect(quiet.fill()).rejects.toThrow('the answer was lost');
    await until('it has run', () => runs === 1);
    return { quiet, ran: () => runs };
  };

  it('tries the same jobs again when the engine was away after they were given out', async () => {
    const quiet = bridging.bridge();
    await quiet.fill();
    bridging.owned.add(3);
    bridging.engine.answersLost = 1;
    await expect(quiet.fill()).rejects.toThrow('the answer was lost');
    bridging.engine.away = true;
    bridging.owned.add(2);
    await expect(quiet.fill()).rejects.toThrow('the engine is away');
    expect(bridging.owned.given).toBe(3);
    bridging.engine.away = false;
    await quiet.fill();
    let runs = 0;
    bridging.work(() => void runs++);
    await until('all have run', () => runs === 5);
    await quiet.settleEnded();
    expect(bridging.owned.acked).toBe(5);
    expect(runs).toBe(5);
    expect(bridging.counts).toEqual(noCounts);
  });

  it('does not enqueue again what was settled although the answer to enqueueing was lost', async () => {
    const { quiet, ran } = await ranUnknown();
    await quiet.settleEnded();
    expect(bridging.owned.acked).toBe(1);
    await quiet.fill();
    await quiet.settleEnded();
    expect(ran()).toBe(1);
  });

  it('removes no job while it is being enqueued again: it would be a new one', async () => {
    const { quiet, ran } = await ranUnknown();
    let letGo!: () => void;
    bridging.engine.enqueueAfter = new Promise((resolve) => (letGo = resolve));
    const filling = quiet.fill();
    const settling = quiet.settleEnded();
    await until('the outcome', () => bridging.owned.acked === 1);
    // Time for the removal, were it not to wait.
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    letGo();
    await Promise.all([filling, settling]);
    expect(await bridging.queue().missing(['message:0:0:1'])).toEqual(['message:0:0:1']);
    expect(ran()).toBe(1);
  });

  it('removes nothing whose outcome is not stored, and settles it when the store is back', async () => {
    let runs = 0;
    bridging.work(() => void runs++);
    const quiet = bridging.bridge();
    bridging.owned.add(2);
    await quiet.fill();
    await until('both have run', () => runs === 2);
    bridging.owned.away = true;
    await expect(quiet.settleEnded()).rejects.toThrow('the store is away');
    expect(await bridging.queue().drain(10)).toHaveLength(2);
    bridging.owned.away = false;
    await quiet.settleEnded();
    expect(bridging.owned.acked).toBe(2);
    expect(await bridging.queue().drain(10)).toEqual([]);
  });

  it('does not settle twice when the engine was away before the jobs were removed', async () => {
    let runs = 0;
    bridging.work(() => void runs++);
    const quiet = bridging.bridge();
    bridging.owned.add(2);
    await quiet.fill();
    await until('both have run', () => runs === 2);
    const settle = bridging.owned.settle.bind(bridging.owned);
    bridging.owned.settle = (outcomes) => {
      bridging.engine.away = true;
      return settle(outcomes);
    };
    await expect(quiet.settleEnded()).rejects.toThrow('the engine is away');
    bridging.engine.away = false;
    await quiet.settleEnded();
    expect(bridging.owned.settled).toHaveLength(2);
    expect(bridging.counts.ignored).toBe(0);
    expect(await bridging.queue().drain(10)).toEqual([]);
  });

  it('tries anew, as the next attempt, what the engine has lost', async () => {
    const quiet = bridging.bridge();
    bridging.owned.add(3);
    await quiet.fill();
    await bridging.queue().obliterate();
    await quiet.reconcile();
    expect(bridging.counts.engineLost).toBe(3);
    expect(bridging.owned.settled.map(({ result }) => result)).toEqual(
      Array.from({ length: 3 }, () => ({ kind: 'nack', error: 'engine-lost', delayMs: 0 })),
    );
    const attempts: unknown[] = [];
    bridging.work((message) => void attempts.push(message.attempt));
    await quiet.fill();
    await until('all have run', () => attempts.length === 3);
    await quiet.settleEnded();
    expect(attempts).toEqual([2, 2, 2]);
    expect(bridging.owned.acked).toBe(3);
  });

  it('starts while the engine is away, and stops while engine and store are away', async () => {
    bridging.engine.away = true;
    const started = bridging.bridge({ retryMsMax: 5 });
    await started.start();
    bridging.owned.add(10);
    bridging.work(() => {});
    bridging.engine.away = false;
    await until('all acked', () => bridging.owned.acked === 10);
    bridging.engine.away = true;
    bridging.owned.away = true;
    bridging.owned.add(10);
    await expect(started.stop()).resolves.toBeUndefined();
    bridging.engine.away = false;
  });
});
