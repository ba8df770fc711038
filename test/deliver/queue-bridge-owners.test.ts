import { until } from '../queue/until.js';
import { Bridging } from './bridging.js';

const never = new Promise<never>(() => {});

describe('queue bridge after another owner, and before the next one', () => {
  let bridging: Bridging;
  beforeEach(() => {
    bridging = new Bridging();
  });
  afterEach(() => bridging.stop());

  it('goes on where an earlier owner was killed: ended, running and lost tries', async () => {
    const first = bridging.bridge();
    await first.fill();
    bridging.owned.add(3);
    bridging.engine.answersLost = 1;
    await expect(first.fill()).rejects.toThrow();
    const queue = bridging.queue();
    await queue.retainWaiting(['message:0:0:1', 'message:1:0:1']);
    let ended = 0;
    bridging.work(async (message) => {
      if (message.offset !== 0) await never;
      ended++;
    });
    await until('the first has ended', () => ended === 1);

    const successor = bridging.owned.takenOver();
    const second = bridging.bridge({}, successor);
    await second.fill();
    await second.settleEnded();
    expect(successor.settled).toEqual([
      { offset: 2, attempt: 1, result: { kind: 'nack', error: 'engine-lost', delayMs: 0 } },
      { offset: 0, attempt: 1, result: { kind: 'ack' } },
    ]);
    expect(successor.entries.map(({ state, attempt }) => [state, attempt])).toEqual([
      ['acked', 1],
      ['given', 1],
      ['given', 2],
    ]);
  });

  it('ignores, counts and removes outcomes of an older generation, and clears its waiting jobs away', async () => {
    const first = bridging.bridge();
    bridging.owned.add(20);
    await first.fill();
    const started: unknown[] = [];
    let open = (): void => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    bridging.work(async (message) => {
      started.push(message.id);
      await opened;
    });
    const after = bridging.owned.takenOver(1);
    for (const entry of after.entries) Object.assign(entry, { state: 'acked', inherited: false });
    const second = bridging.bridge({}, after);
    await second.start();
    await until('the waiting ones are cleared away', () => bridging.counts.ignored === 10);
    open();
    await until('the running ones have ended', () => bridging.counts.ignored === 20);
    expect(started).toHaveLength(10);
    expect(after.settled).toEqual([]);
    expect(await bridging.queue().drain(10)).toEqual([]);
  });

  it('is not answered by an ended job of a subscription that had the same name', async () => {
    let runs = 0;
    bridging.work(() => void runs++);
    await bridging.queue().enqueue([{ id: 'message:0:0:1', json: '{}' }]);
    await until('the old one has run', () => runs === 1);
    await bridging.bridge().start();
    bridging.owned.add(1);
    await until('acked', () => bridging.owned.acked === 1);
    expect(runs).toBe(2);
    expect(bridging.counts.ignored).toBe(1);
  });

  it('settles what has ended when it is stopped, and leaves the rest to its successor', async () => {
    let ended = 0;
    bridging.work(async (message) => {
      if (message.offset === 1) await never;
      ended++;
    });
    const started = bridging.bridge({ pollMs: 60_000, lingerMs: 60_000 });
    bridging.owned.add(2);
    await started.fill();
    await until('one has ended', () => ended === 1);
    await started.stop();
    expect(bridging.owned.settled).toEqual([{ offset: 0, attempt: 1, result: { kind: 'ack' } }]);
    expect(await bridging.queue().missing(['message:1:0:1'])).toEqual([]);
    bridging.owned.add(1);
    await new Promise(setImmediate);
    expect(bridging.owned.given).toBe(1);
  });

  it('gives the engine nothing, and removes nothing from it, once its subscription may be another owner’s', async () => {
    const started = bridging.bridge({ pollMs: 60_000, lingerMs: 60_000 });
    await started.fill();
    bridging.owned.add(1);
    bridging.engine.away = true;
    await expect(started.fill()).rejects.toThrow();
    bridging.engine.away = false;
    bridging.owned.holds = false;
    await bridging.queue().enqueue([{ id: 'other:0:1', json: '{}' }]);
    let ended = 0;
    bridging.work(() => void (ended += 1));
    await until('the job of the other owner has ended', () => ended === 1);
    await started.stop();
    expect(ended).toBe(1);
    expect(await bridging.queue().missing(['other:0:1'])).toEqual([]);
  });
});
