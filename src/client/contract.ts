import type { z } from 'zod';
import type { producerInput, topicInput } from '../api/schemas/catalog.js';
import type {
  ackInput,
  ackSeveralInput,
  extendInput,
  nackInput,
  receiveAnswer,
  receiveInput,
  receiveSeveralAnswer,
  receiveSeveralInput,
  settleAnswer,
} from '../api/schemas/delivery.js';
import type { deliveredMessage, messageInput, messagePlace } from '../api/schemas/message.js';
import type { nodesAnswer } from '../api/schemas/operations.js';
import type { subscriptionInput } from '../api/schemas/subscription.js';
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
/** A message as a consumer gets it. */
export type DeliveredMessage = z.output<typeof deliveredMessage>;
/** Where a sent message went. */
export type MessagePlace = z.output<typeof messagePlace>;
export interface SentMessages {
  messages: MessagePlace[];
}
/** A transaction to prepare: its producer and 1..100 messages. Give it an `id` and the call can be repeated safely. */
export type Prepare = z.input<typeof prepareInput>;
export type PreparedTransaction = z.output<typeof preparedTransaction>;
export type ResolvedTransaction = z.output<typeof resolvedTransaction>;
export type Transaction = z.output<typeof transaction>;
export type Batch = z.input<typeof batchInput>;
export type BatchResult = z.output<typeof batchAnswer>;
export type TopicSettings = z.input<typeof topicInput>;
export type ProducerSettings = z.input<typeof producerInput>;
export type SubscriptionSettings = z.input<typeof subscriptionInput>;
export type Receive = NonNullable<z.input<typeof receiveInput>>;
export type Received = z.output<typeof receiveAnswer>;
/** One try of one message: its receipt, and the message. */
export type Delivery = Received['deliveries'][number];
export type ReceiveSeveral = z.input<typeof receiveSeveralInput>;
export type ReceivedOfSeveral = z.output<typeof receiveSeveralAnswer>;
export type Ack = z.input<typeof ackInput>;
export type AckSeveral = z.input<typeof ackSeveralInput>;
export type Nack = z.input<typeof nackInput>;
export type Extend = z.input<typeof extendInput>;
export type SettleResults = z.output<typeof settleAnswer>;
export type Nodes = z.output<typeof nodesAnswer>;
