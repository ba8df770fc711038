import { Body, Controller, Get, NotFoundException, Param, Post } from '@nestjs/common';
import type { Order } from './order.entity.js';
import { OrdersService } from './orders.service.js';

@Controller('orders')
export class OrdersController {
  constructor(private readonly orders: OrdersService) {}

  @Post()
  async place(@Body() order: Pick<Order, 'item' | 'euros'>): Promise<Order> {
    return this.orders.place(order);
  }

  @Get(':id')
  async find(@Param('id') id: string): Promise<Order> {
    const order = await this.orders.find(id);
    if (!order) throw new NotFoundException();
    return order;
  }
}
