import { Controller, Inject, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Problem } from '../message/problem.js';
import { audit } from './audit-trail.js';
import { topicAnswer } from './catalog-answers.js';
import { deleteTopic, getTopic, listTopics, putTopic } from './endpoints/catalog.js';
import { Handles } from './handles.js';
import { SERVICES, type Services } from './services.js';
import { SubscriptionChanges } from './subscription-changes.js';

function notFound(topic: string): Problem {
  return new Problem('topic-not-found', `topic ${topic} does not exist`);
}

@Controller()
export class TopicsController {
  constructor(
    @Inject(SERVICES) private readonly services: Services,
    private readonly changes: SubscriptionChanges,
  ) {}

  @Handles(putTopic)
  async put(@Req() request: FastifyRequest) {
    const { params, body } = putTopic.read(request);
    const { maxBodyBytes, ...options } = body;
    return topicAnswer(
      await this.services.topics.put(params.topic, {
        ...options,
        ...(maxBodyBytes === undefined ? {} : { bodyBytesMax: maxBodyBytes }),
      }),
    );
  }

  @Handles(getTopic)
  async get(@Req() request: FastifyRequest) {
    const { params } = getTopic.read(request);
    const topic = await this.services.topics.get(params.topic);
    if (!topic) throw notFound(params.topic);
    return topicAnswer(topic);
  }

  @Handles(deleteTopic)
  async remove(@Req() request: FastifyRequest): Promise<void> {
    const { params, query } = deleteTopic.read(request);
    const subscriptions = await this.changes.ofTopic(params.topic);
    if (!(await this.services.topics.remove(params.topic, query.force))) throw notFound(params.topic);
    if (query.force) await audit(this.services, request, 'topic.delete', params.topic);
    await this.changes.removed(subscriptions);
  }

  @Handles(listTopics)
  async list(@Req() request: FastifyRequest) {
    const { after, limit } = listTopics.read(request).query;
    const { items, next } = await this.services.store.catalog.listTopics(after, limit);
    return { items: items.map(topicAnswer), next };
  }
}
