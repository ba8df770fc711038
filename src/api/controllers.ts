import { MessagesController } from './messages-controller.js';
import { TransactionsController } from './transactions-controller.js';

/** One controller per resource. */
export const controllers = [TransactionsController, MessagesController];
