import { Controller, Inject, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { newSecret, previousSecretSignsMs } from '../callback/signer.js';
import { Problem } from '../message/problem.js';
import { eachLimited } from '../runtime/each-limited.js';
import type { Subscription } from '../store/subscription-store.js';
import { audit } from './audit-trail.js';
import { subscriptionAnswer } from './catalog-answers.js';
import {
  deleteSubscription,
  getSubscription,
  listSubscriptions,
  pauseSubscription,
  putSubscription,
  resumeSubscription,
  rotateSubscriptionSecret,
  seekSubscription,
  subscriptionChangedNotice,
} from './endpoints/subscriptions.js';
import { ForwardTargets } from './forward-targets.js';
import { Handles } from './handles.js';
import { subscriptionConfig } from './schemas/subscription.js';
import { SERVICES, type Services } from './services.js';
import { SubscriptionChanges } from './subscription-changes.js';

interface Named {
  topic: string;
  group: string;
}

/** Subscriptions of a page whose counts are read at once. */
const countsConcurrency = 8;

function notFound({ topic, group }: Named): Problem {
  return new Problem('subscription-not-found', `there is no subscription ${topic}/${group}`);
}

@Controller()
export class SubscriptionsController {
  constructor(
    @Inject(SERVICES) private readonly services: Services,
    private readonly changes: SubscriptionChanges,
    private readonly forwards: ForwardTargets,
  ) {}

  @Handles(putSubscription)
  async put(@Req() request: FastifyRequest) {
    const { params, body } = putSubscription.read(request);
    const { topic, group } = params;
    const { config, startFrom } = subscriptionConfig(body);
    const { targets, topics, store, clock } = this.services;
    if (config.push) targets.checkUrl(config.push.url, 'push.url');
    await topics.resolve([{ topic }]);
    if (config.forward) await this.forwards.check(params, config.forward);
    const secret = config.push ? newSecret() : undefined;
    const put = await store.subscriptions.put(topic, group, config, startFrom, secret, clock.now());
    await this.changes.changed([params]);
    const answer = await this.#answer(put.subscription);
    return config.push && put.secrets ? { ...answer, secret: put.secrets.current } : answer;
  }

  @Handles(getSubscription)
  get(@Req() request: FastifyRequest) {
    return this.#show(getSubscription.read(request).params);
  }

  @Handles(deleteSubscription)
  async remove(@Req() request: FastifyRequest): Promise<void> {
    const { params, query } = deleteSubscription.read(request);
    const { topic, group } = params;
    const subscription = await this.#find(params);
    if (!(await this.services.store.subscriptions.remove(topic, group, query.force))) throw notFound(params);
    if (query.force) await audit(this.services, request, 'subscription.delete', `${topic}/${group}`);
    await this.changes.removed([subscription]);
  }

  @Handles(listSubscriptions)
  async list(@Req() request: FastifyRequest) {
    const { after, limit, topic } = listSubscriptions.read(request).query;
    const { items, next } = await this.services.store.subscriptions.list(after, limit, topic);
    const answers: object[] = [];
    await eachLimited(items.entries(), countsConcurrency, async ([index, subscription]) => {
      answers[index] = await this.#answer(subscription);
    });
    return { items: answers, next };
  }

  @Handles(pauseSubscription)
  pause(@Req() request: FastifyRequest) {
    return this.#setPaused(pauseSubscription.read(request).params, true);
  }

  @Handles(resumeSubscription)
  resume(@Req() request: FastifyRequest) {
    return this.#setPaused(resumeSubscription.read(request).params, false);
  }

  async #setPaused(params: Named, paused: boolean) {
    const { topic, group } = params;
    if (!(await this.services.store.subscriptions.setPaused(topic, group, paused))) throw notFound(params);
    await this.changes.changed([params]);
    return this.#show(params);
  }

  @Handles(seekSubscription)
  async seek(@Req() request: FastifyRequest) {
    const { params, body } = seekSubscription.read(request);
    if (!(await this.services.store.subscriptions.seek(params.topic, params.group, body.to))) throw notFound(params);
    await this.changes.changed([params]);
    return this.#show(params);
  }

  @Handles(rotateSubscriptionSecret)
  async rotate(@Req() request: FastifyRequest) {
    const { params } = rotateSubscriptionSecret.read(request);
    const { topic, group } = params;
    const { store, clock } = this.services;
    const { config } = await this.#find(params);
    if (config.mode !== 'push')
      throw new Problem('no-secret', `${topic}/${group} is not of mode push: nothing is signed`);
    const until = clock.now() + previousSecretSignsMs;
    const secrets = await store.subscriptions.rotateSecret(topic, group, newSecret(), until);
    if (!secrets) throw notFound(params);
    await this.changes.changed([params]);
    return { secret: secrets.current };
  }

  @Handles(subscriptionChangedNotice)
  async changed(@Req() request: FastifyRequest): Promise<void> {
    const { topic, group } = subscriptionChangedNotice.read(request).params;
    await this.services.relay.subscriptionChanged(topic, group);
  }

  async #find({ topic, group }: Named): Promise<Subscription> {
    const found = await this.services.store.subscriptions.get(topic, group);
    if (!found) throw notFound({ topic, group });
    return found.subscription;
  }

  async #show(named: Named) {
    return this.#answer(await this.#find(named));
  }

  async #answer(subscription: Subscription) {
    const { topic, group } = subscription;
    return subscriptionAnswer(subscription, await this.services.store.subscriptions.counts(topic, group));
  }
}
