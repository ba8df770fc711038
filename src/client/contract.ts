import type { z } from 'zod';
import type { ackInput, receiveAnswer, receiveInput, nackInput, settleAnswer } from '../api/schemas/delivery.js';
import type { messageInput } from '../api/schemas/message.js';
import type {
  batchAnswer,
  batchInput,
  preparedTransaction,
  prepareInput,
  resolvedTransaction,
  transaction,
} from '../api/schemas/transaction.js';

/** A message as a producer gives it. */
export type Message = z.input<typeof messageInput>;
/** A transaction to prepare: its producer and 1..100 messages. Give it an `id` and the call can be repeated safely. */
export type Prepare = z.input<typeof prepareInput>;
export type PreparedTransaction = z.output<typeof preparedTransaction>;
export type ResolvedTransaction = z.output<typeof resolvedTransaction>;
export type Transaction = z.output<typeof transaction>;
export type Batch = z.input<typeof batchInput>;
export type BatchResult = z.output<typeof batchAnswer>;
export type Receive = NonNullable<z.input<typeof receiveInput>>;
export type Received = z.output<typeof receiveAnswer>;
export type Ack = z.input<typeof ackInput>;
export type Nack = z.input<typeof nackInput>;
export type SettleResults = z.output<typeof settleAnswer>;
