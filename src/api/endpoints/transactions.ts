import { z } from 'zod';
import { flag, id, page, paging, producerName, topicName } from '../schemas/fields.js';
import {
  batchAnswer,
  batchInput,
  listedTransaction,
  preparedTransaction,
  prepareInput,
  resolvedTransaction,
  resolveInput,
  transaction,
  transactionState,
} from '../schemas/transaction.js';
import { endpoint } from '../endpoint.js';

const tag = 'Transactions';
const params = z.strictObject({ id });

export const prepareTransaction = endpoint({
  method: 'POST',
  path: '/v1/transactions',
  tag,
  summary: 'Prepare: store half messages',
  description:
    'Invisible to consumers until the transaction is committed. With an `id` the call can be repeated safely.',
  access: ['produce'],
  body: prepareInput,
  bringsWork: true,
  answers: {
    201: { description: 'Stored, durably.', schema: preparedTransaction },
    200: {
      description: 'It was prepared before: the ids given then and the present state.',
      schema: preparedTransaction,
    },
  },
  problems: ['id-reused', 'topic-not-found', 'producer-not-found', 'body-too-large'],
});

const resolution = {
  tag,
  // An operator needs admin, a producer needs produce: the body says which of the two calls.
  access: ['produce', 'admin'] as const,
  params,
  body: resolveInput,
  bodyOptional: true,
  problems: [
    'transaction-not-found',
    'transaction-already-committed',
    'transaction-already-rolled-back',
    'topic-not-found',
  ] as const,
};

export const commitTransaction = endpoint({
  ...resolution,
  method: 'POST',
  path: '/v1/transactions/:id/commit',
  summary: 'Commit: make the messages visible',
  description: 'Once answered, the messages survive any crash and are delivered. A repeat is answered the same.',
  answers: { 200: { description: 'Committed.', schema: resolvedTransaction } },
});

export const rollbackTransaction = endpoint({
  ...resolution,
  method: 'POST',
  path: '/v1/transactions/:id/rollback',
  summary: 'Roll back: hide the messages for good',
  answers: { 200: { description: 'Rolled back.', schema: resolvedTransaction } },
});

export const checkTransaction = endpoint({
  method: 'POST',
  path: '/v1/transactions/:id/check',
  tag,
  summary: 'Ask the producer now how the transaction ended',
  description: 'Waits for the answer and shows the state after it.',
  access: ['produce', 'admin'],
  params,
  body: z.strictObject({}),
  bodyOptional: true,
  answers: { 200: { description: 'The transaction after the check.', schema: transaction } },
  problems: ['transaction-not-found'],
});

export const getTransaction = endpoint({
  method: 'GET',
  path: '/v1/transactions/:id',
  tag,
  summary: 'One transaction with its messages and checks',
  access: ['produce', 'admin'],
  params,
  query: z.strictObject({ bodies: flag.meta({ description: 'Show the messages in full.' }) }),
  answers: { 200: { description: 'The transaction.', schema: transaction } },
  problems: ['transaction-not-found'],
});

export const listTransactions = endpoint({
  method: 'GET',
  path: '/v1/transactions',
  tag,
  summary: 'List transactions',
  access: ['produce', 'admin'],
  query: z.strictObject({
    state: transactionState.optional(),
    producer: producerName.optional(),
    topic: topicName.optional(),
    ...paging,
  }),
  answers: { 200: { description: 'A page of transactions.', schema: page(listedTransaction) } },
});

export const batchTransactions = endpoint({
  method: 'POST',
  path: '/v1/transactions/batch',
  tag,
  summary: 'Prepare, commit and roll back many transactions',
  description: 'First the prepares, then the commits, then the rollbacks. Each item has its own result or problem.',
  access: ['produce'],
  body: batchInput,
  bringsWork: true,
  answers: { 200: { description: 'Results in the order of the items.', schema: batchAnswer } },
});
