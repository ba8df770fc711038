import { nestConsumer } from '../consumers.js';
import type { Figures } from '../figures.js';
import { Histogram } from '../histogram.js';
import { measure } from '../measure.js';
import type { TimedTransaction } from '../processes/load-paced.js';
import { Rig } from '../rig.js';
import type { Scenario, Trial } from '../scenario.js';

/** The times of all transactions that were to begin inside the window, also of those that a stall held up beyond it. */
function timesOf(transactions: TimedTransaction[], receipts: [number: number, at: number][]): Partial<Figures> {
  const receivedAt = new Map(receipts);
  const prepare = new Histogram();
  const commit = new Histogram();
  const endToEnd = new Histogram();
  const commitToReceipt = new Histogram();
  for (const [number, dueAt, preparedAt, committedAt] of transactions) {
    const received = receivedAt.get(number);
    if (received === undefined) throw new Error(`nobody knows when message ${number} was received`);
    prepare.add(preparedAt - dueAt);
    commit.add(committedAt - preparedAt);
    endToEnd.add(received - dueAt);
    commitToReceipt.add(received - preparedAt);
  }
  if (transactions.length === 0) throw new Error('no transaction began in the window');
  return {
    prepareMs: prepare.percentiles()!,
    commitMs: commit.percentiles()!,
    endToEndMs: endToEnd.percentiles()!,
    commitToReceiptMs: commitToReceipt.percentiles()!,
  };
}

async function run({ servers, window }: Trial, ratePerSecond: number): Promise<Figures> {
  return Rig.use(servers, { store: 'mysql', redis: true }, async (rig) => {
    const consumer = await nestConsumer(rig, true);
    const load = rig.worker('load', 'load-paced', { url: rig.url, ratePerSecond, shape: { bodyBytes: 256 } });
    const later = async () =>
      timesOf(await load.call<TimedTransaction[]>('timed'), await consumer.call<[number, number][]>('receipts'));
    return measure(rig, { loads: [load], consumers: [consumer], later }, window);
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
