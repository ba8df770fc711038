import { Worker } from 'node:worker_threads';
import { Agent, request } from 'undici';
import { Histogram } from '../histogram.js';
import { MessageShape } from './message-shape.js';
import { preciseNow, serveCalls, workerOptions } from './serve-calls.js';

/**
 * Offers plain sends of 100 messages at a fixed rate, however slowly they are answered, and counts what was taken and what was
 * refused. What was refused is not sent again. Times are from the moment at which a call is handed to its connection until
 * its answer begins; how late that moment is, this process tells apart.
 */
const options = workerOptions<{ url: string; ratePerSecond: number; bodyBytes: number }>();

const perCall = 100;
/** Calls under way at once, at most, each on a connection of its own; what is due beyond them is not offered. */
const callsMax = 2_000;

const shape = new MessageShape({ bodyBytes: options.bodyBytes });
const dispatcher = new Agent({ connections: callsMax, pipelining: 1 });
const inHand = new Set<Promise<void>>();
const counts = {
  accepted: 0,
  refused: 0,
  withoutRetryAfter: 0,
  notOffered: 0,
  errors: 0,
  firstError: undefined as string | undefined,
};
const acceptedMs = new Histogram();
const refusedMs = new Histogram();
const lateMs = new Histogram();
let halted = false;

function failed(error: unknown): void {
  counts.errors += 1;
  counts.firstError ??= error instanceof Error ? error.message : String(error);
}

async function send(dueAt: number): Promise<void> {
  const texts: string[] = [];
  for (let index = 0; index < perCall; index += 1) {
    const number = shape.next();
    texts.push(shape.text(number, dueAt));
  }
  const body = Buffer.from(`{"messages":[${texts.join(',')}]}`);
  const sentAt = preciseNow();
  lateMs.add(sentAt - dueAt);
  const headers = { 'content-type': 'application/json' };
  const response = await request(`${options.url}/v1/messages`, { method: 'POST', headers, body, dispatcher });
  const tookMs = preciseNow() - sentAt;
  const text = await response.body.text();
  if (response.statusCode === 201) {
    counts.accepted += perCall;
    acceptedMs.add(tookMs);
  } else if (response.statusCode === 429) {
    counts.refused += perCall;
    if (response.headers['retry-after'] === undefined) counts.withoutRetryAfter += 1;
    refusedMs.add(tookMs);
  } else failed(`answered ${response.statusCode} ${text.slice(0, 300)}`);
}

const pacer = new Worker(new URL('./pacer.js', import.meta.url), {
  workerData: { startsAt: preciseNow() + 50, ratePerSecond: options.ratePerSecond / perCall },
});
pacer.on('message', (dueAt: number) => {
  if (halted) return;
  if (inHand.size >= callsMax) {
    counts.notOffered += perCall;
    return;
  }
  const one = send(dueAt).catch(failed);
  inHand.add(one);
  void one.finally(() => inHand.delete(one));
});

serveCalls({
  halt: async () => {
    halted = true;
    await pacer.terminate();
    await Promise.all(inHand);
    return { ...counts, acceptedMs: acceptedMs.toJSON(), refusedMs: refusedMs.toJSON(), lateMs: lateMs.toJSON() };
  },
});
