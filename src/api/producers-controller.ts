import { Controller, Inject, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { newSecret, previousSecretSignsMs } from '../callback/signer.js';
import { Problem } from '../message/problem.js';
import type { Producer } from '../store/catalog-store.js';
import { audit } from './audit-trail.js';
import { requireOwnProducer } from './caller.js';
import { producerAnswer } from './catalog-answers.js';
import { deleteProducer, getProducer, listProducers, putProducer, rotateProducerSecret } from './endpoints/catalog.js';
import { Handles } from './handles.js';
import { SERVICES, type Services } from './services.js';
import { requireTransport } from './transport-names.js';

function notFound(producer: string): Problem {
  return new Problem('producer-not-found', `producer ${producer} does not exist`);
}

@Controller()
export class ProducersController {
  constructor(@Inject(SERVICES) private readonly services: Services) {}

  @Handles(putProducer)
  async put(@Req() request: FastifyRequest) {
    const { params, body } = putProducer.read(request);
    const name = params.producer;
    requireOwnProducer(request, name);
    const { targets, transports, store, clock } = this.services;
    const { checkBack } = body;
    if (checkBack?.type === 'http') targets.checkUrl(checkBack.url, 'checkBack.url');
    if (checkBack?.type === 'microservice') {
      requireTransport(checkBack.transport, transports.askableNames, 'checkBack.transport');
    }
    const producer = { ...body, name, createdAt: clock.now() };
    const secrets = await store.catalog.putProducer(producer, checkBack?.type === 'http' ? newSecret() : undefined);
    this.#forget(name);
    const stored = (await store.catalog.getProducer(name))?.producer ?? producer;
    const signs = checkBack?.type === 'http' && secrets !== null;
    return { ...(await this.#answer(stored)), ...(signs ? { secret: secrets.current } : {}) };
  }

  @Handles(getProducer)
  async get(@Req() request: FastifyRequest) {
    const { params } = getProducer.read(request);
    requireOwnProducer(request, params.producer);
    const found = await this.services.store.catalog.getProducer(params.producer);
    if (!found) throw notFound(params.producer);
    return this.#answer(found.producer);
  }

  @Handles(deleteProducer)
  async remove(@Req() request: FastifyRequest): Promise<void> {
    const { params, query } = deleteProducer.read(request);
    requireOwnProducer(request, params.producer);
    const removed = await this.services.store.catalog.deleteProducer(params.producer, query.force);
    if (!removed) throw notFound(params.producer);
    this.#forget(params.producer);
    if (query.force) await audit(this.services, request, 'producer.delete', params.producer);
  }

  @Handles(rotateProducerSecret)
  async rotate(@Req() request: FastifyRequest) {
    const { params } = rotateProducerSecret.read(request);
    requireOwnProducer(request, params.producer);
    const { store, clock } = this.services;
    const found = await store.catalog.getProducer(params.producer);
    if (!found) throw notFound(params.producer);
    const until = clock.now() + previousSecretSignsMs;
    const secrets = found.secrets && (await store.catalog.rotateProducerSecret(params.producer, newSecret(), until));
    if (!secrets) throw new Problem('no-secret', `producer ${params.producer} has no check-back that would be signed`);
    this.#forget(params.producer);
    return { secret: secrets.current };
  }

  @Handles(listProducers)
  async list(@Req() request: FastifyRequest) {
    const { after, limit } = listProducers.read(request).query;
    const { items, next } = await this.services.store.catalog.listProducers(after, limit);
    const reachable = await this.services.checks.reachable(items);
    return { items: items.map((producer) => producerAnswer(producer, reachable.has(producer.name))), next };
  }

  async #answer(producer: Producer) {
    const reachable = await this.services.checks.reachable([producer]);
    return producerAnswer(producer, reachable.has(producer.name));
  }

  #forget(name: string): void {
    this.services.producers.forget(name);
    this.services.checks.forget(name);
  }
}
