import { z } from 'zod';
import { endpoint } from '../endpoint.js';
import { id, instanceId, producerName } from '../schemas/fields.js';

const params = z.strictObject({ producer: producerName });

export const openStream = endpoint({
  method: 'GET',
  path: '/v1/producers/:producer/checks',
  tag: 'Producers',
  summary: 'Be asked over a WebSocket',
  description:
    'Held open by an instance of the producer, which the brokers ask over it how its silent transactions ended. JSON ' +
    'text messages. To the instance: `{"type":"question","id":"1","question":{"transactionId","producer","attempt",' +
    '"preparedAt","askedAt","instance","messages":[{"id","topic","key","tag","headers","body"}]}}` and ' +
    '`{"type":"heartbeat","everyMs":10000}`. From it: `{"type":"answer","id":"1","resolution":"commit"}` (or ' +
    '`rollback`, `unknown`), `{"type":"error","id":"1","message":"…"}` when it cannot tell, and a ' +
    '`{"type":"heartbeat"}` for each one it gets. Messages of at most 64 KiB. Closed with 1001 when the node stops: ' +
    'connect to another one.',
  // A producing key opens streams of the producer of its own name; the route sees to that.
  access: ['produce', 'admin'],
  params,
  query: z.strictObject({ instance: instanceId }),
  answers: { 101: { description: 'The stream is open.' } },
  problems: ['upgrade-required', 'producer-not-found'],
});

/** Between nodes: one that holds the claim of a check has the one that holds the stream ask. */
export const askOverStream = endpoint({
  method: 'POST',
  path: '/internal/producers/:producer/ask',
  tag: 'Internal',
  summary: 'Ask an instance over the stream that this node holds',
  access: 'node',
  params,
  body: z.strictObject({
    instance: instanceId,
    check: z.strictObject({
      transactionId: id,
      attempt: z.int().min(1),
      preparedAt: z.int(),
      askedAt: z.int(),
      instance: instanceId.optional(),
      messageIds: z.array(id),
    }),
    timeoutMs: z.int().min(1).max(60_000),
  }),
  answers: {
    200: {
      description: 'How it answered, or why it could not be asked.',
      schema: z.union([
        z.strictObject({
          answer: z.strictObject({
            outcome: z.enum(['commit', 'rollback', 'unknown', 'unreachable', 'timeout', 'invalid']),
            error: z.string().optional(),
          }),
        }),
        z.strictObject({ gone: z.string() }),
      ]),
    },
  },
});
