// Billing: hears of orders, and bills each of them once.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { HalfboxServer } from 'halfbox';
import { BillingModule } from './billing.module.js';
import { endpoints } from './endpoints.js';

const app = await NestFactory.createMicroservice<MicroserviceOptions>(BillingModule, {
  strategy: new HalfboxServer({ endpoints, group: 'billing' }),
});
// Asked to stop (SIGTERM, Ctrl-C) it finishes the messages that it has in hand.
app.enableShutdownHooks();
await app.listen();
console.log('ready');
