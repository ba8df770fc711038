// Billing: hears of orders, and bills each of them once.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { HalfboxServer } from 'halfbox';
import { BillingModule } from './billing.module.js';

const app = await NestFactory.createMicroservice<MicroserviceOptions>(BillingModule, {
  strategy: new HalfboxServer({
    endpoints: [process.env.BROKER_URL ?? 'http://127.0.0.1:3900'],
    group: 'billing',
  }),
});
// Asked to stop (SIGTERM, Ctrl-C) it finishes the messages that it has in hand.
app.enableShutdownHooks();
await app.listen();
console.log('ready');
