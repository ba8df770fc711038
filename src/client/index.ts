/** What a producer or consumer imports from `halfbox/client`. It needs no NestJS. */
export { connect, Connection } from './connect.js';
export { OpenedProducer, type OpenOptions } from './application/opened-producer.js';
export type { ApplicationProducerOptions } from './application/application-producer-options.js';
export type { ForwardedOutboxOptions } from './application/forwarded-outbox.js';
export { EndpointsCaller, type EndpointsCallerOptions } from './broker/endpoints-caller.js';
export { HttpCaller, type HttpCallerOptions } from './broker/http-caller.js';
export { HalfboxClient, type CallOptions } from './broker/halfbox-client.js';
export type { Call, CallAnswer, Caller } from './broker/caller.js';
export { Producer, type ProducerMetrics, type ProducerOptions, type ProducerSettings } from './producer/producer.js';
export type { Drop, DropCounts, DropReason } from './producer/dropped.js';
export type { SendCounts } from './producer/send-counts.js';
export type { SendOptions, SendSettings, SendSettingOptions } from './producer/send-settings.js';
export type { AnyTopics, TopicMap, TopicMessage } from './producer/topic-map.js';
export type {
  FinishedTransaction,
  LocalTransactionOptions,
  LocalTransactions,
  MessageWork,
  OpenTransaction,
  Work,
} from './producer/local-transactions.js';
export { TransactionSender } from './producer/transaction-sender.js';
export type { TransactionCalls } from './producer/transaction-calls.js';
export type { Answer, Answerer, Question } from './check/answerer.js';
export { CheckStream } from './check/check-stream.js';
export type { CheckStreamEvents, CheckStreamOptions } from './check/check-stream-options.js';
export { answerHttp, httpAnswers, type HttpAnswer, type HttpAnswersOptions } from './check/http-answers.js';
export { Fence, type FenceOptions } from './local/fence.js';
export { SqlLocalTransactions, type SqlLocalTransactionsOptions } from './local/local-transactions.js';
export { HalfboxClientTables1700000000101 } from './local/migration.js';
export { requireTables, TablesMissing } from './local/required-tables.js';
export { BullConnections } from './consume/bull-connections.js';
export { BullConsumer, type BullConsumerOptions } from './consume/bull-consumer.js';
export { Consumer } from './consume/consumer.js';
export type { FailedInJob, JobOfMessages, JobResult } from '../message/job-result.js';
export type { ConsumerCounts, InHand } from './consume/consumer-counts.js';
export type { ConsumedSubscription, ConsumeFailure, ConsumerOptions, Consuming } from './consume/consumer-options.js';
export { payloadOf, type ConsumedMessage, type DeliveryContext, type Handler } from './consume/delivery-context.js';
export { Reject, Retry, type RetryOptions } from './consume/failure.js';
export * from './consume/consume-errors.js';
export { Outbox, type OutboxOptions } from './local/outbox/outbox.js';
export type { FailedMessage, OutboxCounts } from './local/outbox/outbox-rows.js';
export { OutboxForwarder, type ForwarderCounts, type OutboxForwarderOptions } from './local/outbox/forwarder.js';
export type { OutboxSender } from './local/outbox/forwarded-batch.js';
export * from './local/outbox/outbox-errors.js';
export { Inbox, type InboxOptions, type Once } from './local/inbox/inbox.js';
export type { InboxMessage, OnceOptions } from './local/inbox/done-key.js';
export { RedisInbox, type InboxRedis, type RedisInboxOptions } from './local/inbox/redis-inbox.js';
export * from './local/inbox/inbox-errors.js';
export * from './errors.js';
export type * from './contract.js';
