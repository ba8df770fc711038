import { Controller, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isoTime } from '../message/message-json.js';
import { Problem } from '../message/problem.js';
import { listNodes, live, metrics, ready } from './endpoints/operations.js';
import { Handles } from './handles.js';
import { problemHeaders, problemJson } from './problem-json.js';
import { SERVICES, type Health, type Services } from './services.js';

/** Why the node is not ready, and what to change. */
function unreadyBecause({ store, durability }: Health): string {
  if (!store.ok) return `the store does not answer: ${store.error ?? 'no reason given'}`;
  const weakenedBy = durability.weakenedBy.join(', ') || 'its settings';
  return (
    `the store is ${durability.actual ?? 'unknown'}, HALFBOX_DURABILITY asks for ${durability.asked}: ` +
    `change ${weakenedBy} there, or set HALFBOX_DURABILITY=${durability.actual ?? 'relaxed'}`
  );
}

@Controller()
export class OperationsController {
  constructor(@Inject(SERVICES) private readonly services: Services) {}

  @Handles(listNodes)
  async nodes(@Req() request: FastifyRequest) {
    listNodes.read(request);
    const { store, clock, node } = this.services;
    const nodes = await store.nodes.live(clock.now());
    const items = nodes.map(({ id, url, version, startedAt, subscriptions }) => {
      return { id, url, version, startedAt: isoTime(startedAt), subscriptions };
    });
    return { storeId: node.storeId, items, next: null };
  }

  @Handles(live)
  live(@Req() request: FastifyRequest) {
    live.read(request);
    return { status: 'live' };
  }

  @Handles(ready)
  async ready(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    ready.read(request);
    const health = await this.services.health();
    if (health.store.ok && health.durability.ok) return { status: 'ready', ...health };
    const problem = new Problem('unavailable', unreadyBecause(health));
    reply.code(problem.status).headers(problemHeaders(problem));
    return JSON.stringify({ ...problemJson(problem), ...health });
  }

  @Handles(metrics)
  async metrics(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    metrics.read(request);
    reply.header('content-type', this.services.metrics.contentType);
    return this.services.metrics.text();
  }
}
