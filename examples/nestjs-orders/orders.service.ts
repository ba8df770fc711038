import { randomUUID } from 'node:crypto';
import { Injectable, UnprocessableEntityException } from '@nestjs/common';
import { InjectProducer, Producer } from 'halfbox';
import { EntityManager } from 'typeorm';
import { Order } from './order.entity.js';
import type { Topics } from './topics.js';

/** What a card is good for. */
const eurosMax = 1_000;

@Injectable()
export class OrdersService {
  constructor(
    @InjectProducer() private readonly shop: Producer<Topics, EntityManager>,
    private readonly manager: EntityManager,
  ) {}

  /** Saves an order. Its message is delivered when, and only when, the order is in the database. */
  async place(asked: Pick<Order, 'item' | 'euros'>): Promise<Order> {
    const order = { id: randomUUID(), item: asked.item, euros: asked.euros };
    await this.shop.sendInTransaction({ topic: 'orders', key: order.id, body: order }, async (manager) => {
      await manager.insert(Order, order);
      if (order.euros > eurosMax) throw new UnprocessableEntityException('the card was refused');
    });
    return order;
  }

  async find(id: string): Promise<Order | null> {
    return this.manager.findOneBy(Order, { id });
  }
}
