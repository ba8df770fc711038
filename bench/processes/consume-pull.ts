import { Client } from 'undici';
import { ConsumeRecord } from './consume-record.js';
import type { BenchBody } from './message-shape.js';
import { workerOptions } from './serve-calls.js';

/** A pulling consumer: receives up to `max` at a time and acknowledges them in one call. */
const options = workerOptions<{
  urls: string[];
  /** What is consumed. Default: the group `pull` of the topic `bench`. */
  subscriptions?: { topic: string; group: string }[];
  max: number;
  /** For each subscription. */
  connections: number;
  /** Fails each delivery instead, until the call `acknowledge`. */
  fails?: boolean;
  /** Waits for the call `start`. */
  waits?: boolean;
}>();

interface Received {
  deliveries?: { receipt: string; message: { body: BenchBody } }[];
}

const record = new ConsumeRecord();
const subscriptions = options.subscriptions ?? [{ topic: 'bench', group: 'pull' }];
let fails = options.fails ?? false;
let failed = 0;

async function consume(url: string, topic: string, group: string): Promise<void> {
  const client = new Client(url, { pipelining: 1 });
  const post = async (verb: string, body: unknown) => {
    const path = `/v1/subscriptions/${topic}/${group}/${verb}`;
    const headers = { 'content-type': 'application/json' };
    const response = await client.request({ method: 'POST', path, headers, body: JSON.stringify(body) });
    if (response.statusCode === 200) return response.body.json();
    throw new Error(`${path}: ${response.statusCode} ${await response.body.text()}`);
  };
  for (;;) {
    const { deliveries = [] } = (await post('receive', { max: options.max, waitMs: 20_000 })) as Received;
    if (deliveries.length === 0) continue;
    const receipts = deliveries.map(({ receipt }) => receipt);
    if (fails) {
      await post('nack', { receipts, error: 'the benchmark lets it fail' });
      failed += receipts.length;
      continue;
    }
    const key = `${topic}/${group}`;
    for (const { message } of deliveries) record.received(message.body, key);
    await post('ack', { receipts });
  }
}

function startOne({ topic, group }: { topic: string; group: string }, index = 0): void {
  for (let connection = 0; connection < options.connections; connection += 1) {
    void consume(options.urls[(index + connection) % options.urls.length]!, topic, group);
  }
}

const start = (): void => subscriptions.forEach(startOne);

if (!options.waits) start();

record.serve({
  start,
  consume: (subscription: { topic: string; group: string }) => startOne(subscription),
  failed: () => failed,
  acknowledge: () => {
    fails = false;
  },
});
