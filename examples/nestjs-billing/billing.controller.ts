import { Controller, Logger } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { HalfboxContext, Inbox } from 'halfbox';
import { Bill } from './bill.entity.js';

/** The body of a message of the topic `orders`. */
interface Order {
  id: string;
  item: string;
  euros: number;
}

@Controller()
export class BillingController {
  readonly #logger = new Logger(BillingController.name);

  constructor(private readonly inbox: Inbox) {}

  /** A message may come twice. The bill and the inbox's row are one transaction, so the order is billed once. */
  @EventPattern<string>('orders')
  async bill(@Payload() { id: orderId, item, euros }: Order, @Ctx() context: HalfboxContext): Promise<void> {
    const { done } = await this.inbox.once(context.message, context.group, async (manager) => {
      await manager.insert(Bill, { orderId, euros });
    });
    this.#logger.log(done ? `${item} is billed: ${euros} €` : `${item} was billed before`);
  }
}
