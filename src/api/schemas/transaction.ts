import { z } from 'zod';
import { bounds } from '../../message/bounds.js';
import { id, instanceId, integer, isoTime, producerName, text, topicName } from './fields.js';
import { messageInput, messagePlace, storedMessage } from './message.js';
import { problem } from './problem.js';

export const transactionState = z.enum(['prepared', 'committed', 'rolled_back', 'parked']);

const resolver = z.enum(['client', 'check', 'operator']);

/** What `POST /v1/transactions` takes. */
export const prepareInput = z
  .strictObject({
    id: id.optional().meta({ description: 'With it the call can be repeated safely.' }),
    producer: producerName,
    instance: instanceId
      .optional()
      .meta({ description: 'The process that prepares it; check-back asks that one first.' }),
    firstCheckAfterMs: integer(bounds.checkMsMin, bounds.checkMsMax).optional(),
    messages: z.array(messageInput).min(1).max(bounds.transactionMessagesMax),
  })
  .meta({ id: 'Prepare' });

export type PrepareInput = z.output<typeof prepareInput>;

export const resolveInput = z
  .strictObject({
    by: z.literal('operator').optional(),
    reason: text(bounds.reasonLengthMax).optional(),
  })
  .superRefine(({ by, reason }, context) => {
    if ((by === undefined) !== (reason === undefined)) {
      const path = [by === undefined ? 'by' : 'reason'];
      context.addIssue({ code: 'custom', path, message: 'by and reason go together' });
    }
  })
  .meta({ id: 'Resolve', description: 'Left out by producers. An operator names itself and why (scope admin).' });

export const batchInput = z
  .strictObject({
    prepare: z.array(z.unknown()).default([]),
    commit: z.array(z.unknown()).default([]),
    rollback: z.array(z.unknown()).default([]),
  })
  .refine(
    ({ prepare, commit, rollback }) => prepare.length + commit.length + rollback.length <= bounds.batchItemsMax,
    `more than ${bounds.batchItemsMax} items`,
  )
  .meta({
    id: 'TransactionBatch',
    description:
      'Prepares (as for `POST /v1/transactions`), then commits (ids), then rollbacks (ids). Items fail alone.',
  });

export const preparedTransaction = z
  .strictObject({
    id,
    state: transactionState,
    firstCheckAt: isoTime,
    messages: z.array(z.strictObject({ id, topic: topicName })),
  })
  .meta({ id: 'PreparedTransaction' });

export const resolvedTransaction = z
  .strictObject({
    id,
    state: transactionState,
    resolvedBy: resolver,
    messages: z.array(messagePlace),
    durability: z.enum(['flushed', 'replicated', 'relaxed']),
  })
  .meta({ id: 'ResolvedTransaction' });

const failedItem = z.strictObject({ id: z.string().optional(), problem });

export const batchAnswer = z.strictObject({
  prepare: z.array(z.union([preparedTransaction, failedItem])),
  commit: z.array(z.union([resolvedTransaction, failedItem])),
  rollback: z.array(z.union([resolvedTransaction, failedItem])),
});

const transactionFields = {
  id,
  producer: producerName,
  instance: instanceId.optional(),
  state: transactionState,
  preparedAt: isoTime,
  firstCheckAt: isoTime,
  nextCheckAt: isoTime.optional(),
  resolvedAt: isoTime.optional(),
  resolvedBy: resolver.optional(),
  reason: z.string().optional(),
  messages: z.array(z.union([messagePlace, messagePlace.extend(storedMessage.shape)])),
};

export const checkAttempt = z
  .strictObject({
    attempt: z.int().min(1),
    at: isoTime,
    outcome: z.enum(['commit', 'rollback', 'unknown', 'unreachable', 'timeout', 'invalid']),
    latencyMs: z.int().min(0),
    error: z.string().optional(),
  })
  .meta({ id: 'CheckAttempt' });

export const listedTransaction = z.strictObject(transactionFields).meta({ id: 'ListedTransaction' });

export const transaction = z
  .strictObject({ ...transactionFields, checks: z.array(checkAttempt) })
  .meta({ id: 'Transaction' });
