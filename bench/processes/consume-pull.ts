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
  /** For each subscription; in all where they are asked together. */
  connections: number;
  /** Receives from all of them in one call, and acknowledges in one. */
  together?: boolean;
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

interface ReceivedOfSeveral {
  deliveries: { topic: string; group: string; receipt: string; message: { body: BenchBody } }[];
  notServed: { topic: string; group: string }[];
}

type Post = <Answer>(verb: string, body: unknown) => Promise<Answer>;

function poster(client: Client, at: string): Post {
  return async (verb, body) => {
    const path = `${at}/${verb}`;
    const headers = { 'content-type': 'application/json' };
    const response = await client.request({ method: 'POST', path, headers, body: JSON.stringify(body) });
    if (response.statusCode === 200) return (await response.body.json()) as never;
    throw new Error(`${path}: ${response.statusCode} ${await response.body.text()}`);
  };
}

async function consumeSome(client: Client, topic: string, group: string, waitMs: number): Promise<void> {
  const post = poster(client, `/v1/subscriptions/${topic}/${group}`);
  const { deliveries = [] } = await post<Received>('receive', { max: options.max, waitMs });
  if (deliveries.length === 0) return;
  const receipts = deliveries.map(({ receipt }) => receipt);
  if (fails) {
    await post('nack', { receipts, error: 'the benchmark lets it fail' });
    failed += receipts.length;
    return;
  }
  for (const { message } of deliveries) record.received(message.body, `${topic}/${group}`);
  await post('ack', { receipts });
}

async function consume(url: string, topic: string, group: string): Promise<void> {
  const client = new Client(url, { pipelining: 1 });
  for (;;) await consumeSome(client, topic, group, 20_000);
}

async function consumeTogether(url: string): Promise<void> {
  const client = new Client(url, { pipelining: 1 });
  const post = poster(client, '/v1/deliveries');
  for (;;) {
    const received = await post<ReceivedOfSeveral>('receive', { subscriptions, max: options.max, waitMs: 20_000 });
    // Their own call waits until the broker has them, or says why it has not.
    for (const { topic, group } of received.notServed) await consumeSome(client, topic, group, 0);
    for (const { message, topic, group } of received.deliveries) record.received(message.body, `${topic}/${group}`);
    const deliveries = received.deliveries.map(({ topic, group, receipt }) => ({ topic, group, receipt }));
    if (deliveries.length > 0) await post('ack', { deliveries });
  }
}

interface Part {
  topic: string;
  group: string;
  count: number;
}

/**
 * Receives and acknowledges so many messages, not one more, and answers how many a second they were. From the first answer on:
 * the first call on a subscription waits until its owner has read something. Rejects when nothing comes for 20 s.
 */
async function take({ topic, group, count }: Part): Promise<number> {
  let left = count;
  let begun: { at: number; messages: number } | undefined;
  const one = async (client: Client): Promise<void> => {
    const post = poster(client, `/v1/subscriptions/${topic}/${group}`);
    while (left > 0) {
      const max = Math.min(options.max, left);
      left -= max;
      const { deliveries = [] } = await post<Received>('receive', { max, waitMs: 20_000 });
      left += max - deliveries.length;
      begun ??= { at: performance.now(), messages: deliveries.length };
      if (deliveries.length === 0) throw new Error(`${topic}/${group}: nothing came, of ${count} are missing ${left}`);
      for (const { message } of deliveries) record.received(message.body, `${topic}/${group}`);
      await post('ack', { receipts: deliveries.map(({ receipt }) => receipt) });
    }
  };
  const clients = Array.from({ length: options.connections }, (_, index) => {
    return new Client(options.urls[index % options.urls.length]!, { pipelining: 1 });
  });
  try {
    await Promise.all(clients.map(one));
  } finally {
    await Promise.all(clients.map((client) => client.destroy()));
  }
  return (count - begun!.messages) / ((performance.now() - begun!.at) / 1000);
}

function startOne({ topic, group }: { topic: string; group: string }, index = 0): void {
  for (let connection = 0; connection < options.connections; connection += 1) {
    void consume(options.urls[(index + connection) % options.urls.length]!, topic, group);
  }
}

function start(): void {
  if (options.together !== true) return subscriptions.forEach(startOne);
  for (let index = 0; index < options.connections; index += 1) {
    void consumeTogether(options.urls[index % options.urls.length]!);
  }
}

if (!options.waits) start();

record.serve({
  start,
  take,
  failed: () => failed,
  acknowledge: () => {
    fails = false;
  },
});
