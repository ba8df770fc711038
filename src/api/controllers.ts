import { DeadLettersController } from './dead-letters-controller.js';
import { DeliveriesController } from './deliveries-controller.js';
import { DocsController } from './docs-controller.js';
import { MessagesController } from './messages-controller.js';
import { OperationsController } from './operations-controller.js';
import { ProducersController } from './producers-controller.js';
import { StreamsController } from './streams-controller.js';
import { SubscriptionsController } from './subscriptions-controller.js';
import { TopicsController } from './topics-controller.js';
import { TransactionsController } from './transactions-controller.js';

/** One controller per resource. */
export const controllers = [
  TransactionsController,
  MessagesController,
  DeliveriesController,
  SubscriptionsController,
  TopicsController,
  ProducersController,
  StreamsController,
  DeadLettersController,
  OperationsController,
  DocsController,
];
