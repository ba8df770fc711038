import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { HalfboxClientModule, HalfboxClientTables1700000000101 } from 'halfbox';
import { Bill } from './bill.entity.js';
import { BillingController } from './billing.controller.js';
import { CreateBills1700000000200 } from './create-bills.js';
import { endpoints } from './endpoints.js';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'mysql',
      url: process.env.DATABASE_URL ?? 'mysql://root@127.0.0.1:3306/billing',
      entities: [Bill],
      migrations: [HalfboxClientTables1700000000101, CreateBills1700000000200],
      migrationsRun: true,
    }),
    HalfboxClientModule.forRoot({ endpoints, producer: 'billing', dataSource: true, inbox: true }),
  ],
  controllers: [BillingController],
})
export class BillingModule {}
