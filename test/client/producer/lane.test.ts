import { setImmediate as nextTurn } from 'node:timers/promises';
import { Lane } from '../../../src/client/producer/lane.js';

describe('Lane', () => {
  let sent: { sizes: number[]; end: () => void }[];
  let lane: Lane<{ size: number; bytes: number }>;

  beforeEach(() => {
    sent = [];
    lane = laneOf(2);
  });

  const laneOf = (inFlightMax: number) =>
    new Lane<{ size: number; bytes: number }>(
      (batch) => new Promise((end) => sent.push({ sizes: batch.map(({ size }) => size), end })),
      { batchItemsMax: 1_000, batchBytesMax: 1_000_000, inFlightMax },
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

  it('sends very many in several batches at once', async () => {
    add(399);
    await nextTurn();
    expect(sentSizes()).toEqual([399]);
    for (const { end } of sent.splice(0)) end();
    await nextTurn();
    add(400);
    await nextTurn();
    expect(sentSizes()).toEqual([200, 200]);
  });

  it('sends all of it in one batch where only one may be under way', async () => {
    lane = laneOf(1);
    add(1_500);
    await nextTurn();
    expect(sentSizes()).toEqual([1_000]);
  });
});
