import { connect, type Producer } from '../../src/client/index.js';
import { preciseNow, serveCalls, workerOptions } from './serve-calls.js';

/** Closed-loop load by `halfbox/client`: so many callers in one process, each of them awaiting one message at a time. */
const options = workerOptions<{ url: string; callers: number; bodyBytes: number; transactional: boolean }>();

let committed = 0;
let errors = 0;
let recording = false;
let halted = false;
const prepareMs: number[] = [];
const commitMs: number[] = [];
const halfbox = connect({ endpoints: [options.url] });
const producer: Producer = halfbox.producer('bench');
const padding = 'x'.repeat(options.bodyBytes - 32);

async function send(startedAt: number): Promise<void> {
  await producer.send({ topic: 'bench', body: { t: startedAt, p: padding } });
}

async function transact(startedAt: number): Promise<void> {
  const { id } = await producer.prepare({ topic: 'bench', body: { t: startedAt, p: padding } });
  const commitAt = preciseNow();
  await producer.commit(id);
  if (!recording) return;
  prepareMs.push(commitAt - startedAt);
  commitMs.push(preciseNow() - commitAt);
}

async function caller(): Promise<void> {
  const once = options.transactional ? transact : send;
  while (!halted) {
    try {
      await once(preciseNow());
      committed += 1;
    } catch {
      errors += 1;
    }
  }
}

const callers = Array.from({ length: options.callers }, caller);

serveCalls({
  begin: () => {
    recording = true;
    return { committed, errors };
  },
  end: () => {
    recording = false;
    return { committed, errors, prepareMs, commitMs };
  },
  gathered: () => {
    const { sends, transactions } = producer.metrics();
    const { batches, batchedItems } = options.transactional ? transactions : sends;
    return batchedItems / batches;
  },
  halt: async () => {
    halted = true;
    await Promise.all(callers);
    await halfbox.close();
    return { committed, errors };
  },
});
