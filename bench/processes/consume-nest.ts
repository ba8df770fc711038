import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Payload, type MicroserviceOptions } from '@nestjs/microservices';
import { HalfboxServer } from '../../src/index.js';
import { ConsumeRecord } from './consume-record.js';
import type { BenchBody } from './message-shape.js';
import { workerOptions } from './serve-calls.js';

/** A NestJS application with one ordinary handler, over batched pull. */
const options = workerOptions<{ urls: string[]; concurrency: number; keepReceipts?: boolean }>();

const record = new ConsumeRecord(options.keepReceipts);

@Controller()
class BenchController {
  @EventPattern('bench')
  handle(@Payload() body: BenchBody): void {
    record.received(body);
  }
}

@Module({ controllers: [BenchController] })
class BenchModule {}

const strategy = new HalfboxServer({
  endpoints: options.urls,
  group: 'pull',
  concurrency: options.concurrency,
  subscribe: false,
});
const app = await NestFactory.createMicroservice<MicroserviceOptions>(BenchModule, { strategy, logger: ['error'] });
await app.listen();

record.serve();
