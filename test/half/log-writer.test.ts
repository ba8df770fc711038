import { LogWriter } from '../../src/half/log-writer.js';
import { PendingBudget } from '../../src/half/pending-budget.js';
import { stepChannel } from '../../src/message/step.js';
import type { AppendItem, HalfStore } from '../../src/store/half-store.js';

const resolution = (kind: 'commit' | 'rollback'): AppendItem => ({ kind, transactionId: kind, by: 'client' });

describe('LogWriter', () => {
  it('tells of the steps of each item of a batch, before and after it is stored', async () => {
    const told: unknown[] = [];
    const store: Pick<HalfStore, 'append'> = {
      append: (items) => {
        told.push('stored');
        return Promise.resolve({
          outcomes: items.map(() => ({ value: { messages: [], repeated: true } })),
          chunks: [],
        });
      },
    };
    const writer = new LogWriter(
      store as HalfStore,
      { now: () => 0 },
      { itemsMax: 10, bytesMax: 1_000, concurrency: 1 },
      new PendingBudget({ itemsMax: 10, bytesMax: 1_000 }),
      1_000,
      { stored: () => {}, appended: () => {}, scheduled: () => {} },
    );
    const items = [resolution('commit'), { kind: 'send', messages: [] } as AppendItem, resolution('rollback')];
    const listen = (step: unknown) => void told.push(step);
    stepChannel.subscribe(listen);
    try {
      await writer.appendAll([...items, resolution('commit')].map((item) => ({ item, bytes: 1 })));
    } finally {
      stepChannel.unsubscribe(listen);
    }
    expect(told).toEqual([
      'half.commit.before-store',
      'half.send.before-store',
      'half.rollback.before-store',
      'half.commit.before-store',
      'stored',
      'half.commit.after-store-before-answer',
      'half.send.after-store-before-answer',
      'half.rollback.after-store-before-answer',
      'half.commit.after-store-before-answer',
    ]);
  });
});
