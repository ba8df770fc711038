import { z } from 'zod';
import { endpoint } from '../endpoint.js';
import { secret } from '../schemas/catalog.js';
import { page, paging, topicName } from '../schemas/fields.js';
import {
  listedSubscription,
  seekInput,
  subscriptionInput,
  subscriptionParams,
  subscriptionWithSecret,
} from '../schemas/subscription.js';
import { forceQuery } from './catalog.js';

const shared = {
  tag: 'Subscriptions',
  access: ['admin'] as const,
  params: subscriptionParams,
  problems: ['subscription-not-found'] as const,
};
const empty = { body: z.strictObject({}), bodyOptional: true };
const shown = { 200: { description: 'The subscription.', schema: listedSubscription } };

export const putSubscription = endpoint({
  ...shared,
  method: 'PUT',
  path: '/v1/subscriptions/:topic/:group',
  summary: 'Create or replace a subscription',
  description: 'Every commit answered after this call was answered is delivered to it. `mode` cannot be changed.',
  body: subscriptionInput,
  answers: {
    200: { description: 'The subscription; of mode `push` with its signing secret.', schema: subscriptionWithSecret },
  },
  problems: ['topic-not-found', 'already-exists', 'target-not-allowed'],
});

export const getSubscription = endpoint({
  ...shared,
  method: 'GET',
  path: '/v1/subscriptions/:topic/:group',
  summary: 'One subscription with its counts',
  answers: shown,
});

export const deleteSubscription = endpoint({
  ...shared,
  method: 'DELETE',
  path: '/v1/subscriptions/:topic/:group',
  summary: 'Delete a subscription',
  query: forceQuery,
  answers: { 204: { description: 'Deleted.' } },
  problems: ['subscription-not-found', 'not-empty'],
});

export const listSubscriptions = endpoint({
  method: 'GET',
  path: '/v1/subscriptions',
  tag: 'Subscriptions',
  summary: 'List subscriptions with their counts',
  access: ['admin'],
  query: z.strictObject({ topic: topicName.optional(), ...paging }),
  answers: { 200: { description: 'A page of subscriptions.', schema: page(listedSubscription) } },
});

export const pauseSubscription = endpoint({
  ...shared,
  ...empty,
  method: 'POST',
  path: '/v1/subscriptions/:topic/:group/pause',
  summary: 'Give out nothing more',
  description: 'What is given out can still be settled. `receive` answers an empty list.',
  answers: shown,
});

export const resumeSubscription = endpoint({
  ...shared,
  ...empty,
  method: 'POST',
  path: '/v1/subscriptions/:topic/:group/resume',
  summary: 'Deliver again',
  answers: shown,
});

export const seekSubscription = endpoint({
  ...shared,
  method: 'POST',
  path: '/v1/subscriptions/:topic/:group/seek',
  summary: 'Go on from another place',
  description: 'Drops its retries; outcomes of deliveries given out before are ignored. Dead letters stay.',
  body: seekInput,
  answers: shown,
});

export const rotateSubscriptionSecret = endpoint({
  ...shared,
  ...empty,
  method: 'POST',
  path: '/v1/subscriptions/:topic/:group/rotate-secret',
  summary: 'Make a new signing secret',
  description: 'Mode `push`. The old one keeps signing too for 24 h.',
  answers: { 200: { description: 'The new secret.', schema: z.strictObject({ secret }) } },
});

/** Between nodes: the owner of a subscription is told that it was changed. */
export const subscriptionChangedNotice = endpoint({
  method: 'POST',
  path: '/internal/subscriptions/:topic/:group/changed',
  tag: 'Internal',
  summary: 'A subscription was changed on another node',
  access: 'node',
  params: subscriptionParams,
  ...empty,
  answers: { 204: { description: 'Taken in.' } },
});
