import { z } from 'zod';
import { endpoint } from '../endpoint.js';
import { groupName, page, paging, topicName } from '../schemas/fields.js';
import {
  countAnswer,
  deadLetter,
  deadLetterSelection,
  liveAnswer,
  nodesAnswer,
  readyAnswer,
} from '../schemas/operations.js';

const deadLetters = { tag: 'Dead letters', access: ['admin'] as const };
const counted = { 200: { description: 'How many.', schema: countAnswer } };

export const listDeadLetters = endpoint({
  ...deadLetters,
  method: 'GET',
  path: '/v1/dead-letters',
  summary: 'List dead letters',
  query: z.strictObject({ topic: topicName.optional(), group: groupName.optional(), ...paging }),
  answers: { 200: { description: 'A page of dead letters.', schema: page(deadLetter) } },
});

export const redriveDeadLetters = endpoint({
  ...deadLetters,
  method: 'POST',
  path: '/v1/dead-letters/redrive',
  summary: 'Deliver dead letters again',
  description: 'Due at once, with their attempts counted afresh.',
  body: deadLetterSelection,
  answers: counted,
  problems: ['subscription-not-found'],
});

export const discardDeadLetters = endpoint({
  ...deadLetters,
  method: 'POST',
  path: '/v1/dead-letters/discard',
  summary: 'Delete dead letters',
  body: deadLetterSelection,
  answers: counted,
  problems: ['subscription-not-found'],
});

export const listNodes = endpoint({
  method: 'GET',
  path: '/v1/nodes',
  tag: 'Operations',
  summary: 'Live brokers on this store',
  // Clients of every kind refresh their endpoints from it.
  access: ['produce', 'consume', 'admin'],
  answers: { 200: { description: 'The live brokers.', schema: nodesAnswer } },
});

export const live = endpoint({
  method: 'GET',
  path: '/health/live',
  tag: 'Operations',
  summary: 'The process answers',
  access: 'open',
  answers: { 200: { description: 'It does.', schema: liveAnswer } },
});

export const ready = endpoint({
  method: 'GET',
  path: '/health/ready',
  tag: 'Operations',
  summary: 'The store answers and is as durable as asked',
  description: 'Shows the engine too: without it deliveries wait, and everything else goes on.',
  access: 'open',
  answers: { 200: { description: 'Ready.', schema: readyAnswer } },
});

export const metrics = endpoint({
  method: 'GET',
  path: '/metrics',
  tag: 'Operations',
  summary: 'Prometheus metrics',
  access: ['admin'],
  answers: { 200: { description: 'Metrics.', mediaType: 'text/plain' } },
});

export const openApiDocument = endpoint({
  method: 'GET',
  path: '/openapi.json',
  tag: 'Documentation',
  summary: 'This contract as OpenAPI 3.1',
  access: 'open',
  answers: { 200: { description: 'The document.' } },
});

export const docsPage = endpoint({
  method: 'GET',
  path: '/docs',
  tag: 'Documentation',
  summary: 'This contract to read',
  access: 'open',
  answers: { 200: { description: 'A page.', mediaType: 'text/html' } },
});

export const docsAsset = endpoint({
  method: 'GET',
  path: '/docs/:asset',
  tag: 'Documentation',
  summary: 'A file of the page',
  access: 'open',
  params: z.strictObject({ asset: z.enum(['swagger-ui.css', 'swagger-ui-bundle.js', 'start.js']) }),
  answers: { 200: { description: 'The file.' } },
  problems: ['not-found'],
});
