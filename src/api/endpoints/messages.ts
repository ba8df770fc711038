import { z } from 'zod';
import { bounds } from '../../message/bounds.js';
import { deliveryState } from '../schemas/delivery.js';
import { id, isoTime, key, page, paging, time, topicName } from '../schemas/fields.js';
import { messageInput, messagePlace, storedMessage } from '../schemas/message.js';
import { endpoint } from '../endpoint.js';

const tag = 'Messages';
const params = z.strictObject({ id });

/** Several messages of one call. */
export const manyMessages = z
  .strictObject({ messages: z.array(messageInput).min(1).max(bounds.sendMessagesMax) })
  .meta({ id: 'Messages' });

/** One message, or `{messages}`. */
const sendInput = z
  .unknown()
  .meta({ anyOf: [{ $ref: '#/components/schemas/Message' }, { $ref: '#/components/schemas/Messages' }] });

export const sendMessages = endpoint({
  method: 'POST',
  path: '/v1/messages',
  tag,
  summary: 'Send messages that are visible at once',
  description: 'All or none, in array order within an ordering key. With ids the call can be repeated safely.',
  access: ['produce'],
  body: sendInput,
  bringsWork: true,
  answers: {
    201: {
      description: 'Stored, durably.',
      schema: z.strictObject({
        messages: z.array(messagePlace),
        durability: z.enum(['flushed', 'replicated', 'relaxed']),
      }),
    },
  },
  problems: ['id-reused', 'topic-not-found', 'body-too-large'],
});

const messageState = z.enum(['half', 'rolled_back', 'parked', 'scheduled', 'recalled', 'visible']);

const shown = storedMessage
  .extend({
    state: messageState,
    shard: z.int().optional(),
    offset: z.int().optional(),
    deliverAt: isoTime.optional(),
    deliveries: z.array(deliveryState),
  })
  .meta({ id: 'ShownMessage' });

export const getMessage = endpoint({
  method: 'GET',
  path: '/v1/messages/:id',
  tag,
  summary: 'One message and its state per subscription',
  access: ['produce', 'admin'],
  params,
  answers: { 200: { description: 'The message.', schema: shown } },
  problems: ['message-not-found'],
});

export const listMessages = endpoint({
  method: 'GET',
  path: '/v1/messages',
  tag,
  summary: 'Messages of a topic with a key',
  access: ['produce', 'admin'],
  query: z.strictObject({ topic: topicName, key, from: time.optional(), to: time.optional(), ...paging }),
  answers: { 200: { description: 'A page of messages.', schema: page(shown) } },
});

export const recallMessage = endpoint({
  method: 'DELETE',
  path: '/v1/messages/:id',
  tag,
  summary: 'Recall a delayed message before it is due',
  access: ['produce', 'admin'],
  params,
  answers: { 204: { description: 'It will not be delivered. Its id stays used.' } },
  problems: ['message-not-found', 'not-recallable'],
});
