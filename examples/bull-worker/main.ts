// Packing: an ordinary worker of @nestjs/bull, on the Redis of the brokers.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { PackingModule } from './packing.module.js';

const app = await NestFactory.createApplicationContext(PackingModule);
// Asked to stop (SIGTERM, Ctrl-C) it finishes the jobs that it has in hand.
app.enableShutdownHooks();
console.log('ready');
