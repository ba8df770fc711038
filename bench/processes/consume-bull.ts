import Bull from 'bull';
import { preciseNow, serveCalls, workerOptions } from './serve-calls.js';

/** A plain Bull worker. */
const options = workerOptions<{ redisUrl: string; concurrency: number }>();

let delivered = 0;
let recording = false;
const endToEndMs: number[] = [];
const queue = new Bull('bench.bull', options.redisUrl, { prefix: 'halfbox' });

void queue.process(options.concurrency, (job: Bull.Job<{ body: { t: number } }>) => {
  delivered += 1;
  if (recording) endToEndMs.push(preciseNow() - job.data.body.t);
  return Promise.resolve();
});

serveCalls({
  begin: () => {
    recording = true;
    return { delivered };
  },
  end: () => {
    recording = false;
    return { delivered, duplicates: 0, endToEndMs };
  },
  count: () => ({ delivered, duplicates: 0 }),
  halt: () => queue.close(true),
});
