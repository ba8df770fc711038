import { connect } from '../../src/client/index.js';
import { startCallers, transact } from './closed-loop.js';
import { LoadRecord } from './load-record.js';
import { MessageShape, type Shape } from './message-shape.js';
import { preciseNow, workerOptions } from './serve-calls.js';

/** Closed-loop load by `halfbox/client`: so many callers in one process, each of them awaiting one message at a time. */
const options = workerOptions<{ urls: string[]; callers: number; transactional: boolean; shape: Shape }>();

const record = new LoadRecord();
const shape = new MessageShape(options.shape);
const halfbox = connect({ endpoints: options.urls });
const producer = halfbox.producer('bench');

const ended = startCallers(record, options.callers, async () => {
  const startedAt = preciseNow();
  const message = shape.message(shape.next(), startedAt);
  if (options.transactional) return transact(producer, record, message, startedAt, preciseNow);
  await producer.send(message);
  record.committed(startedAt);
});

record.serve({
  ended: async () => {
    await ended();
    await halfbox.close();
  },
  gathered: () => {
    const { sends, transactions } = producer.metrics();
    const { batches, batchedItems } = options.transactional ? transactions : sends;
    return batchedItems / batches;
  },
});
