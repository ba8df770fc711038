import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Payload } from '@nestjs/microservices';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  getProducerToken,
  HalfboxBroker,
  HalfboxClientModule,
  HalfboxModule,
  HalfboxServer,
  type Producer,
} from '../../src/index.js';
import { startCallers, transact } from './closed-loop.js';
import { ConsumeRecord } from './consume-record.js';
import { LoadRecord } from './load-record.js';
import { MessageShape, type BenchBody, type Shape } from './message-shape.js';
import { preciseNow, serveCalls, workerOptions } from './serve-calls.js';

/** A NestJS application that embeds the broker: its callers prepare and commit, its handler receives, all in this process. */
const options = workerOptions<{ storeUrl: string; callers: number; concurrency: number; shape: Shape }>();

const load = new LoadRecord();
const consumed = new ConsumeRecord();
const shape = new MessageShape(options.shape);

@Controller()
class BenchController {
  @EventPattern('bench')
  handle(@Payload() body: BenchBody): void {
    consumed.received(body);
  }
}

@Module({
  imports: [
    HalfboxModule.forRoot({ storeUrl: options.storeUrl, api: false, topics: { bench: { shards: 4 } } }),
    HalfboxClientModule.forRoot({ embedded: true, producer: 'bench' }),
  ],
  controllers: [BenchController],
})
class BenchModule {}

const app = await NestFactory.create<NestFastifyApplication>(BenchModule, new FastifyAdapter(), { logger: ['error'] });
const { client } = app.get(HalfboxBroker);
const { concurrency } = options;
app.connectMicroservice({ strategy: new HalfboxServer({ client, group: 'handler', concurrency }) });
await app.startAllMicroservices();
const producer = app.get<Producer>(getProducerToken());

const ended = startCallers(load, options.callers, async () => {
  const startedAt = preciseNow();
  await transact(producer, load, shape.message(shape.next(), startedAt), startedAt, preciseNow);
});

serveCalls({
  begin: () => ({ ...load.begin(), ...consumed.begin() }),
  end: () => ({ ...load.end(), ...consumed.end(), gathered: gathered() }),
  count: () => ({ ...load.counts(), ...consumed.counts() }),
  halt: async () => {
    load.halted = true;
    await ended();
    return { ...load.counts(), ...consumed.counts() };
  },
});

function gathered(): number {
  const { batches, batchedItems } = producer.metrics().transactions;
  return batchedItems / batches;
}
