// An order service: POST /orders saves an order, and everybody who has to know of it hears of it.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { OrdersModule } from './orders.module.js';

const app = await NestFactory.create<NestFastifyApplication>(OrdersModule, new FastifyAdapter());
// Asked to stop (SIGTERM, Ctrl-C) it finishes the transactions that it has in hand.
app.enableShutdownHooks();
await app.listen(process.env.PORT ?? 3000, '127.0.0.1');
console.log('ready');
