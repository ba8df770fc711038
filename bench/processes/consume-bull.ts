import Bull from 'bull';
import { ConsumeRecord } from './consume-record.js';
import type { BenchBody } from './message-shape.js';
import { workerOptions } from './serve-calls.js';

/** A plain Bull worker, for jobs of one message and for jobs of several. */
const options = workerOptions<{ redisUrl: string; concurrency: number; queue?: string; waits?: boolean }>();

type JobData = { body: BenchBody } | { messages: { body: BenchBody }[] };

const record = new ConsumeRecord();
const queue = new Bull<JobData>(options.queue ?? 'bench.bull', options.redisUrl, { prefix: 'halfbox' });

function start(): void {
  void queue.process(options.concurrency, ({ data }) => {
    if ('messages' in data) for (const { body } of data.messages) record.received(body);
    else record.received(data.body);
    return Promise.resolve();
  });
}

if (!options.waits) start();

record.serve({ start });
