import { randomUUID } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { Agent, request } from 'undici';
import { LoadRecord } from './load-record.js';
import { MessageShape, type Shape } from './message-shape.js';
import { preciseNow, workerOptions } from './serve-calls.js';

/**
 * Open-loop load: a transaction begins every 1/rate seconds, whether or not the ones before it have been answered. Times
 * count from when it was to begin, so that a stall shows in all that it delayed.
 */
const options = workerOptions<{ url: string; ratePerSecond: number; shape: Shape }>();

/** Under way at once, at most: beyond it the load is not the one that was asked for, and says so. */
const inHandMax = 50_000;
/** Transactions whose times are kept one by one, at most. */
const timedMax = 500_000;

/** What is told of a transaction that was to begin inside the window, whenever it ended. */
export type TimedTransaction = [number: number, dueAt: number, preparedAt: number, committedAt: number];

const run = randomUUID().slice(0, 8);
const record = new LoadRecord();
const shape = new MessageShape(options.shape);
const timed: TimedTransaction[] = [];
const dispatcher = new Agent({ connections: 256, pipelining: 1 });
const inHand = new Set<Promise<void>>();

async function post(path: string, wanted: number, body?: string): Promise<void> {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const response = await request(options.url + path, { method: 'POST', headers, body, dispatcher });
  const text = await response.body.text();
  if (response.statusCode !== wanted) throw new Error(`${path}: ${response.statusCode} ${text.slice(0, 500)}`);
}

async function transaction(dueAt: number, isTimed: boolean): Promise<void> {
  const number = shape.next();
  const id = `${run}-${number}`;
  await post('/v1/transactions', 201, `{"id":"${id}","producer":"bench","messages":[${shape.text(number, dueAt)}]}`);
  // The commit is called as soon as the prepare has been answered.
  const preparedAt = preciseNow();
  await post(`/v1/transactions/${id}/commit`, 200);
  record.committed(preparedAt);
  if (isTimed && timed.length < timedMax) timed.push([number, dueAt, preparedAt, preciseNow()]);
}

const pacer = new Worker(new URL('./pacer.js', import.meta.url), {
  workerData: { startsAt: preciseNow() + 50, ratePerSecond: options.ratePerSecond },
});
pacer.on('message', (dueAt: number) => {
  if (record.halted) return;
  if (inHand.size >= inHandMax) return record.failed(`${inHandMax} transactions are under way`);
  const one = transaction(dueAt, record.recording).catch((error: unknown) => record.failed(error));
  inHand.add(one);
  void one.finally(() => inHand.delete(one));
});

record.serve({
  ended: async () => {
    await pacer.terminate();
    await Promise.all(inHand);
  },
  calls: { timed: () => timed },
});
