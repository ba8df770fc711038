// An order service: POST /orders saves an order, and everybody who has to know of it hears of it.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { OrdersModule } from './orders.module.js';

// A stop waits for connections that are kept alive: Fastify's own 72 s would be too long.
const adapter = new FastifyAdapter({ keepAliveTimeout: 2_000 });
const app = await NestFactory.create<NestFastifyApplication>(OrdersModule, adapter);
// Asked to stop (SIGTERM, Ctrl-C) it finishes the transactions that it has in hand.
app.enableShutdownHooks();
await app.listen(process.env.PORT ?? 3000, '127.0.0.1');
console.log('ready');
