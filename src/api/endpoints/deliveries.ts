import { endpoint } from '../endpoint.js';
import {
  ackInput,
  ackSeveralInput,
  extendInput,
  nackInput,
  receiveAnswer,
  receiveInput,
  receiveSeveralAnswer,
  receiveSeveralInput,
  settleAnswer,
} from '../schemas/delivery.js';
import { subscriptionParams } from '../schemas/subscription.js';

const shared = {
  method: 'POST' as const,
  tag: 'Consuming',
  access: ['consume'] as const,
  params: subscriptionParams,
  problems: ['subscription-not-found'] as const,
};
const ofSeveral = { method: 'POST' as const, tag: 'Consuming', access: ['consume'] as const };
const settled = { 200: { description: 'A result per receipt, in order.', schema: settleAnswer } };

export const receiveDeliveries = endpoint({
  ...shared,
  path: '/v1/subscriptions/:topic/:group/receive',
  summary: 'Receive messages',
  description: 'For subscriptions of mode `pull`. Waits up to `waitMs` for a first message.',
  body: receiveInput,
  bodyOptional: true,
  answers: { 200: { description: 'Deliveries; none when there was nothing to deliver.', schema: receiveAnswer } },
});

export const ackDeliveries = endpoint({
  ...shared,
  path: '/v1/subscriptions/:topic/:group/ack',
  summary: 'Acknowledge deliveries',
  body: ackInput,
  answers: settled,
});

export const nackDeliveries = endpoint({
  ...shared,
  path: '/v1/subscriptions/:topic/:group/nack',
  summary: 'Give deliveries back as failed',
  description:
    'They wait by the retry policy, or `delayMs`, and are delivered again, or become dead letters; with `deadLetter` at ' +
    'once. `release` gives back what was not begun.',
  body: nackInput,
  answers: settled,
});

export const extendDeliveries = endpoint({
  ...shared,
  path: '/v1/subscriptions/:topic/:group/extend',
  summary: 'Keep deliveries for longer',
  description: 'Their visibility ends `visibilityMs` from now.',
  body: extendInput,
  answers: settled,
});

export const receiveSeveral = endpoint({
  ...ofSeveral,
  path: '/v1/deliveries/receive',
  summary: 'Receive messages of several subscriptions',
  description:
    'Up to `max` in all, in equal shares of those that have some. Serves the subscriptions of mode `pull` that the broker ' +
    'asked has itself; `notServed` names the others, and where there are any it does not wait.',
  body: receiveSeveralInput,
  answers: {
    200: { description: 'Deliveries; none when there was nothing to deliver.', schema: receiveSeveralAnswer },
  },
});

export const ackSeveral = endpoint({
  ...ofSeveral,
  path: '/v1/deliveries/ack',
  summary: 'Acknowledge deliveries of several subscriptions',
  description: 'Whichever broker has them.',
  body: ackSeveralInput,
  answers: settled,
});
