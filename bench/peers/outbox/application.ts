import 'reflect-metadata';
import { BullModule, InjectQueue } from '@nestjs/bull';
import { Body, Controller, Injectable, Module, Post, type OnApplicationBootstrap } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import type { Queue } from 'bull';
import { setTimeout as delay } from 'node:timers/promises';
import {
  Column,
  CreateDateColumn,
  DataSource,
  Entity,
  Index,
  IsNull,
  PrimaryGeneratedColumn,
  Repository,
} from 'typeorm';
import { workerOptions } from '../../processes/serve-calls.js';
import type { OrderPlaced } from './order-placed.js';

/*
 * The outbox as a NestJS team writes it by hand: an order and a row of the outbox in one local transaction, and a poller
 * that adds a Bull job for each row and then saves the row.
 */
const options = workerOptions<{ databaseUrl: string; redisUrl: string; queue: string }>();
const pollMs = 50;
const rowsAtOnce = 100;

@Entity('orders')
class Order {
  @PrimaryGeneratedColumn()
  id: number;

  @Column({ type: 'int' })
  number: number;
}

@Entity('outbox')
class OutboxMessage {
  @PrimaryGeneratedColumn()
  id: number;

  @Column('simple-json')
  payload: OrderPlaced;

  @CreateDateColumn()
  createdAt: Date;

  @Index()
  @Column({ type: 'datetime', nullable: true })
  sentAt: Date | null;
}

@Injectable()
class OrdersService {
  constructor(private readonly dataSource: DataSource) {}

  async place(order: OrderPlaced): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      await manager.save(manager.create(Order, { number: order.n }));
      await manager.save(manager.create(OutboxMessage, { payload: order, sentAt: null }));
    });
  }
}

@Controller('orders')
class OrdersController {
  constructor(private readonly orders: OrdersService) {}

  @Post()
  async place(@Body() order: OrderPlaced): Promise<void> {
    await this.orders.place(order);
  }
}

@Injectable()
class OutboxPoller implements OnApplicationBootstrap {
  constructor(
    @InjectRepository(OutboxMessage) private readonly outbox: Repository<OutboxMessage>,
    @InjectQueue(options.queue) private readonly queue: Queue<OrderPlaced>,
  ) {}

  onApplicationBootstrap(): void {
    void this.poll();
  }

  private async poll(): Promise<never> {
    for (;;) {
      const waiting = { where: { sentAt: IsNull() }, order: { id: 'ASC' }, take: rowsAtOnce } as const;
      const rows = await this.outbox.find(waiting);
      for (const row of rows) {
        await this.queue.add(row.payload);
        row.sentAt = new Date();
        await this.outbox.save(row);
      }
      if (rows.length === 0) await delay(pollMs);
    }
  }
}

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'mysql',
      url: options.databaseUrl,
      entities: [Order, OutboxMessage],
      synchronize: true,
      poolSize: 32,
    }),
    TypeOrmModule.forFeature([OutboxMessage]),
    BullModule.forRoot({ url: options.redisUrl, defaultJobOptions: { removeOnComplete: true } }),
    BullModule.registerQueue({ name: options.queue }),
  ],
  controllers: [OrdersController],
  providers: [OrdersService, OutboxPoller],
})
class OrdersModule {}

const app = await NestFactory.create<NestFastifyApplication>(OrdersModule, new FastifyAdapter(), { logger: ['error'] });
await app.listen(0, '127.0.0.1');
console.log(JSON.stringify({ event: 'listening', url: await app.getUrl() }));
