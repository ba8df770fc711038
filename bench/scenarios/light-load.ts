import { Worker } from '../children.js';
import { percentiles } from '../figures.js';
import { measure } from '../measure.js';
import type { Scenario } from '../scenario.js';

/** Latency at 200 transactions/s, begun at a fixed rate. */
export const lightLoad: Scenario = {
  name: 'light load, 200/s → pull',
  target: { figure: 'commitToReceiptMs.p50', below: 10 },
  run: (servers, window) =>
    measure(
      {
        store: 'mysql',
        redis: true,
        startLoad: ({ url }) =>
          new Worker('load-paced', { url, ratePerSecond: 200, bodyBytes: 256, run: Date.now().toString(36) }),
        consumer: {
          group: 'pull',
          subscription: { mode: 'pull' },
          start: ({ url }) => new Worker('consume-pull', { url, max: 200, connections: 1 }),
        },
      },
      servers,
      window,
      async (loader, consumer) => {
        const calledAt = new Map(await loader.call<[number, number][]>('commits'));
        const receipts = await consumer!.call<[number, number][]>('receipts');
        const waits = receipts.flatMap(([number, at]) => {
          const called = calledAt.get(number);
          return called === undefined ? [] : [at - called];
        });
        return { commitToReceiptMs: percentiles(waits) };
      },
    ),
};
