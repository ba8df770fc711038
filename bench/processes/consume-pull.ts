import { Client } from 'undici';
import { preciseNow, serveCalls, workerOptions } from './serve-calls.js';

/** A pulling consumer: receives up to `max` at a time and acknowledges them in one call. */
const options = workerOptions<{ url: string; max: number; connections: number }>();

let delivered = 0;
let duplicates = 0;
let recording = false;
let halted = false;
const endToEndMs: number[] = [];
const receivedAt: [number, number][] = [];
const seen = new Set<string>();
interface Received {
  deliveries: { receipt: string; message: { id: string; body: { t: number; n?: number } } }[];
}

async function consume(): Promise<void> {
  const client = new Client(options.url, { pipelining: 1 });
  const post = async (verb: string, body: unknown) => {
    const response = await client.request({
      method: 'POST',
      path: `/v1/subscriptions/bench/pull/${verb}`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return response.body.json();
  };
  while (!halted) {
    const { deliveries } = (await post('receive', { max: options.max, waitMs: 1000 })) as Received;
    if (deliveries === undefined || deliveries.length === 0) continue;
    const now = preciseNow();
    for (const { message } of deliveries) {
      if (seen.has(message.id)) duplicates += 1;
      seen.add(message.id);
      if (!recording) continue;
      endToEndMs.push(now - message.body.t);
      if (message.body.n !== undefined) receivedAt.push([message.body.n, now]);
    }
    await post('ack', { receipts: deliveries.map(({ receipt }) => receipt) });
    delivered += deliveries.length;
  }
  await client.close();
}

const consumers = Array.from({ length: options.connections }, consume);

serveCalls({
  begin: () => {
    recording = true;
    return { delivered };
  },
  end: () => {
    recording = false;
    return { delivered, duplicates, endToEndMs };
  },
  receipts: () => receivedAt,
  count: () => ({ delivered, duplicates }),
  halt: async () => {
    halted = true;
    await Promise.all(consumers);
  },
});
