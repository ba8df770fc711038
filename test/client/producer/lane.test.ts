import { setImmediate as nextTurn } from 'node:timers/promises';
import { Lane } from '../../../src/client/producer/lane.js';

describe('Lane', () => {
  let sent: { sizes: number[]; end: () => void }[];
  let lane: Lane<{ size: number; bytes: number }>;

  beforeEach(() => {
    sent = [];
    lane = laneOf(2);
  });

  const laneOf = (inFlightMax: number, spreads = true) =>
    new Lane<{ size: number; bytes: number }>(
      (batch) => new Promise((end) => sent.push({ sizes: batch.map(({ size }) => size), end })),
      { batchItemsMax: 1_000, batchBytesMax: 1_000_000, inFlightMax },
      () => spreads,
    );

  const add = (count: number): void => {
    for (let n = 0; n < count; n += 1) lane.add({ size: 1, bytes: 1 });
  };

  const sentSizes = (): number[] => sent.map(({ sizes }) => sizes.length);

  it('sends what comes in one turn together, and what comes meanwhile in another batch', async () => {
    add(100);
    await nextTurn();
    expect(sentSizes()).toEqual([100]);
    add(10);
    await nextTurn();
    expect(sentSizes()).toEqual([100, 10]);
    add(10);
    await nextTurn();
    expect(sentSizes()).toEqual([100, 10]);
    sent[0]!.end();
    await nextTurn();
    await nextTurn();
    expect(sentSizes()).toEqual([100, 10, 10]);
  });

  it('spreads what many callers wait for over the batches that may be under way, which then begin apart', async () => {
    add(128);
    await nextTurn();
    expect(sentSizes()).toEqual([64, 64]);
    // Batches take long: those that follow keep their distance, however many callers come at once.
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const { end } of sent.splice(0)) end();
    add(128);
    const begun: number[] = [];
    for (let seen = 0; seen < 2; await nextTurn()) {
      if (sent.length === seen) continue;
      seen = sent.length;
      begun.push(performance.now());
    }
    expect(sentSizes()).toEqual([64, 64]);
    expect(begun[1]! - begun[0]!).toBeGreaterThan(1);
  });

  it('spreads nothing where that is not worth its cost', async () => {
    lane = laneOf(2, false);
    add(500);
    await nextTurn();
    expect(sentSizes()).toEqual([500]);
  });

  it('sends all of it in one batch where only one may be under way', async () => {
    lane = laneOf(1);
    add(1_500);
    await nextTurn();
    expect(sentSizes()).toEqual([1_000]);
  });
});
