import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { HalfboxClientModule, HalfboxClientTables1700000000101 } from 'halfbox';
import { CreateOrders1700000000200 } from './create-orders.js';
import { Order } from './order.entity.js';
import { OrdersController } from './orders.controller.js';
import { OrdersService } from './orders.service.js';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'mysql',
      url: process.env.DATABASE_URL ?? 'mysql://root@127.0.0.1:3306/shop',
      entities: [Order],
      migrations: [HalfboxClientTables1700000000101, CreateOrders1700000000200],
      migrationsRun: true,
    }),
    HalfboxClientModule.forRoot({
      endpoints: [process.env.BROKER_URL ?? 'http://127.0.0.1:3900'],
      producer: 'shop',
      // The brokers' check-backs are answered from this database: there is nothing else to write for them.
      dataSource: true,
    }),
    TypeOrmModule.forFeature([Order]),
  ],
  controllers: [OrdersController],
  providers: [OrdersService],
})
export class OrdersModule {}
