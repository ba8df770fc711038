import { BullModule } from '@nestjs/bull';
import { Module } from '@nestjs/common';
import { OrdersProcessor } from './orders.processor.js';

@Module({
  imports: [
    // The prefix is the brokers'.
    BullModule.forRoot({ url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379', prefix: 'halfbox' }),
    BullModule.registerQueue({ name: 'orders.packing' }),
  ],
  providers: [OrdersProcessor],
})
export class PackingModule {}
