import { Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { HalfboxClientTables1700000000101, Inbox } from 'halfbox';
import { DataSource } from 'typeorm';
import { Bill } from './bill.entity.js';
import { BillingController } from './billing.controller.js';
import { CreateBills1700000000200 } from './create-bills.js';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'mysql',
      url: process.env.DATABASE_URL ?? 'mysql://root@127.0.0.1:3306/billing',
      entities: [Bill],
      migrations: [HalfboxClientTables1700000000101, CreateBills1700000000200],
      migrationsRun: true,
    }),
  ],
  controllers: [BillingController],
  providers: [{ provide: Inbox, inject: [DataSource], useFactory: (dataSource: DataSource) => new Inbox(dataSource) }],
})
export class BillingModule implements OnModuleInit, OnModuleDestroy {
  constructor(private readonly inbox: Inbox) {}

  /** Old rows of the inbox are deleted from now on. */
  onModuleInit(): void {
    this.inbox.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.inbox.stop();
  }
}
