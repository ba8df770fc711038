import { Endpoint } from './endpoint.js';
import * as catalog from './endpoints/catalog.js';
import * as deliveries from './endpoints/deliveries.js';
import * as messages from './endpoints/messages.js';
import * as operations from './endpoints/operations.js';
import * as streams from './endpoints/streams.js';
import * as subscriptions from './endpoints/subscriptions.js';
import * as transactions from './endpoints/transactions.js';

/** Every call of the contract, in the order in which the documentation lists them. */
export const endpoints: Endpoint[] = [
  transactions,
  messages,
  deliveries,
  subscriptions,
  catalog,
  streams,
  operations,
].flatMap((resource) => Object.values(resource).filter((value): value is Endpoint => value instanceof Endpoint));
