import { nestConsumer } from '../consumers.js';
import type { Figures } from '../figures.js';
import { Histogram } from '../histogram.js';
import { measure } from '../measure.js';
import { Rig } from '../rig.js';
import type { Scenario, Trial } from '../scenario.js';

async function run({ servers, window }: Trial, ratePerSecond: number): Promise<Figures> {
  return Rig.use(servers, { store: 'mysql', redis: true }, async (rig) => {
    const consumer = await nestConsumer(rig, true);
    const load = rig.worker('load', 'load-paced', { url: rig.url, ratePerSecond, shape: { bodyBytes: 256 } });
    const more = async () => {
      const calledAt = new Map(await load.call<[number, number][]>('commits'));
      const waits = new Histogram();
      for (const [number, at] of await consumer.call<[number, number][]>('receipts')) {
        const called = calledAt.get(number);
        if (called !== undefined) waits.add(at - called);
      }
      const commitToReceiptMs = waits.percentiles();
      return commitToReceiptMs ? { commitToReceiptMs } : {};
    };
    return measure(rig, { loads: [load], consumers: [consumer], more }, window);
  });
}

/** Transactions that begin at a fixed rate. Times count from when each was to begin. */
export const openLoop: Scenario[] = [
  {
    id: 'light-load',
    title: 'open loop, 200 transactions/s over single-message HTTP → NestJS handler, pull',
    run: (trial) => run(trial, 200),
  },
  {
    id: 'open-loop',
    title: 'open loop at the rate of --rate (2,000/s unless given), single-message HTTP → NestJS handler, pull',
    run: (trial) => run(trial, trial.ratePerSecond),
  },
];
