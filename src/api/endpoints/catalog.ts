import { z } from 'zod';
import { endpoint } from '../endpoint.js';
import { producer, producerInput, producerWithSecret, secret, topic, topicInput } from '../schemas/catalog.js';
import { flag, page, paging, producerName, topicName } from '../schemas/fields.js';

const topicRoute = { tag: 'Topics', access: ['admin'] as const, params: z.strictObject({ topic: topicName }) };
/** Deletes also what is not empty. */
export const forceQuery = z.strictObject({
  force: flag.meta({ description: 'Delete also when not empty (audited).' }),
});

export const putTopic = endpoint({
  ...topicRoute,
  method: 'PUT',
  path: '/v1/topics/:topic',
  summary: 'Create or change a topic',
  body: topicInput,
  bodyOptional: true,
  answers: { 200: { description: 'The topic.', schema: topic } },
  problems: ['already-exists'],
});

export const getTopic = endpoint({
  ...topicRoute,
  method: 'GET',
  path: '/v1/topics/:topic',
  summary: 'One topic',
  answers: { 200: { description: 'The topic.', schema: topic } },
  problems: ['topic-not-found'],
});

export const deleteTopic = endpoint({
  ...topicRoute,
  method: 'DELETE',
  path: '/v1/topics/:topic',
  summary: 'Delete a topic with its subscriptions and messages',
  query: forceQuery,
  answers: { 204: { description: 'Deleted.' } },
  problems: ['topic-not-found', 'not-empty'],
});

export const listTopics = endpoint({
  method: 'GET',
  path: '/v1/topics',
  tag: 'Topics',
  summary: 'List topics',
  access: ['admin'],
  query: z.strictObject(paging),
  answers: { 200: { description: 'A page of topics.', schema: page(topic) } },
});

const producerRoute = {
  tag: 'Producers',
  // A producing key manages the producer of its own name; the controller sees to that.
  access: ['produce', 'admin'] as const,
  params: z.strictObject({ producer: producerName }),
};

export const putProducer = endpoint({
  ...producerRoute,
  method: 'PUT',
  path: '/v1/producers/:producer',
  summary: 'Create or replace a producer',
  description: 'Answers the signing secret of its check-backs; made at the first call and kept by later ones.',
  body: producerInput,
  bodyOptional: true,
  answers: { 200: { description: 'The producer with its secret.', schema: producerWithSecret } },
  problems: ['target-not-allowed'],
});

export const getProducer = endpoint({
  ...producerRoute,
  method: 'GET',
  path: '/v1/producers/:producer',
  summary: 'One producer',
  answers: { 200: { description: 'The producer.', schema: producer } },
  problems: ['producer-not-found'],
});

export const deleteProducer = endpoint({
  ...producerRoute,
  method: 'DELETE',
  path: '/v1/producers/:producer',
  summary: 'Delete a producer',
  query: forceQuery,
  answers: { 204: { description: 'Deleted.' } },
  problems: ['producer-not-found', 'not-empty'],
});

export const rotateProducerSecret = endpoint({
  ...producerRoute,
  method: 'POST',
  path: '/v1/producers/:producer/rotate-secret',
  summary: 'Make a new signing secret',
  description: 'The old one keeps signing too for 24 h.',
  body: z.strictObject({}),
  bodyOptional: true,
  answers: { 200: { description: 'The new secret.', schema: z.strictObject({ secret }) } },
  problems: ['producer-not-found'],
});

export const listProducers = endpoint({
  method: 'GET',
  path: '/v1/producers',
  tag: 'Producers',
  summary: 'List producers',
  access: ['admin'],
  query: z.strictObject(paging),
  answers: { 200: { description: 'A page of producers.', schema: page(producer) } },
});
