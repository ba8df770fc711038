import { Process, Processor } from '@nestjs/bull';
import type { Job } from 'bull';
import { Reject, type ConsumedMessage } from 'halfbox/client';

/** The queue of the subscription `packing` of the topic `orders`. */
@Processor('orders.packing')
export class OrdersProcessor {
  /** Returning acknowledges the message; what is thrown is a failed attempt, which the broker tries again. */
  @Process({ concurrency: 10 })
  async pack({ data }: Job<ConsumedMessage<{ id: string; item: string }>>): Promise<void> {
    const { item } = data.body;
    // No further try can help: straight to the dead letters.
    if (item === 'elephant') throw new Reject('no box is large enough');
    console.log(`${item} is packed (attempt ${data.attempt})`);
  }
}
