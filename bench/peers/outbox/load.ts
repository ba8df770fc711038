import 'reflect-metadata';
import { BullModule, getQueueToken, Process, Processor } from '@nestjs/bull';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Job, Queue } from 'bull';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'undici';
import { Histogram } from '../../histogram.js';
import { workerOptions } from '../../processes/serve-calls.js';
import type { LoadFigures } from '../load.js';
import type { OrderPlaced } from './order-placed.js';

/*
 * Load for the outbox: so many callers, each of them with one order under way, and the service that consumes the jobs. A
 * caller places an order and goes on when the job of it has come.
 */
const options = workerOptions<{
  url: string;
  redisUrl: string;
  queue: string;
  inFlight: number;
  bodyBytes: number;
  warmUpSeconds: number;
  seconds: number;
}>();
const drainMs = 30_000;
const padding = 'x'.repeat(options.bodyBytes - 32);

interface Placed {
  begunAt: number;
  answered: boolean;
  times: number;
  delivered(): void;
}

const orders = new Map<number, Placed>();
const endToEnd = new Histogram();
let stored = 0;
let errors = 0;
let open = false;
let halted = false;

function receive({ n }: OrderPlaced): void {
  const order = orders.get(n)!;
  order.times += 1;
  if (order.times > 1) return;
  if (open) endToEnd.add(performance.now() - order.begunAt);
  order.delivered();
}

@Processor(options.queue)
class OrdersProcessor {
  @Process({ concurrency: options.inFlight })
  handle(job: Job<OrderPlaced>): void {
    receive(job.data);
  }
}

@Module({
  imports: [BullModule.forRoot({ url: options.redisUrl }), BullModule.registerQueue({ name: options.queue })],
  providers: [OrdersProcessor],
})
class ConsumerModule {}

async function place(client: Client, n: number): Promise<void> {
  const delivered = new Promise<void>((resolve) => {
    orders.set(n, { begunAt: performance.now(), answered: false, times: 0, delivered: resolve });
  });
  const { statusCode, body } = await client.request({
    method: 'POST',
    path: '/orders',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ n, padding } satisfies OrderPlaced),
  });
  await body.dump();
  if (statusCode !== 201) throw new Error(`POST /orders: ${statusCode}`);
  orders.get(n)!.answered = true;
  if (open) stored += 1;
  await Promise.race([delivered, delay(drainMs, undefined, { ref: false })]);
}

async function caller(): Promise<void> {
  const client = new Client(options.url, { pipelining: 1 });
  while (!halted) {
    await place(client, orders.size + 1).catch((error: unknown) => {
      errors += 1;
      if (errors <= 10) console.error(error);
    });
  }
  await client.close();
}

const tell = (line: { event: string }) => console.log(JSON.stringify(line));
const waiting = () => [...orders.values()].filter(({ answered, times }) => answered && times === 0).length;

const consumer = await NestFactory.createApplicationContext(ConsumerModule, { logger: ['error'] });
const callers = Array.from({ length: options.inFlight }, caller);
await delay(options.warmUpSeconds * 1000);
const openedAt = performance.now();
open = true;
tell({ event: 'opened' });
await delay(options.seconds * 1000);
open = false;
const seconds = (performance.now() - openedAt) / 1000;
const backlogAtEnd = waiting();
tell({ event: 'closed' });
halted = true;
await Promise.all(callers);
const figures: LoadFigures = {
  seconds,
  stored,
  delivered: endToEnd.total,
  endToEndMs: endToEnd.percentiles(),
  backlogAtEnd,
  neverDelivered: waiting(),
  duplicates: [...orders.values()].filter(({ times }) => times > 1).length,
  errors,
  checks: 0,
};
await consumer.get<Queue>(getQueueToken(options.queue)).obliterate({ force: true });
tell({ event: 'figures', ...figures } as { event: string });
await consumer.close();
process.exit(0);
