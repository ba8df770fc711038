import { Controller, Inject } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ReceivedDelivery } from '../deliver/pull.js';
import { messageText } from '../message/message-json.js';
import { Problem, type Outcome } from '../message/problem.js';
import { HandlesDirectly } from './direct-routes.js';
import { ackDeliveries, extendDeliveries, nackDeliveries, receiveDeliveries } from './endpoints/deliveries.js';
import { OwnerRoute, relayAnswer, type Routed } from './owner-route.js';
import { problemJson } from './problem-json.js';
import { SERVICES, type Services } from './services.js';

const json = 'application/json; charset=utf-8';

/** The answer as text: bodies are put in as they are stored. */
function receivedText(deliveries: ReceivedDelivery[]): string {
  const items = deliveries.map(({ receipt, delivery }) => {
    const message = messageText(delivery.message, delivery);
    return `{"receipt":"${receipt}","attempt":${delivery.attempt},"message":${message}}`;
  });
  return `{"deliveries":[${items.join(',')}]}`;
}

function settledAnswer(receipts: string[], outcomes: Outcome<true>[]) {
  const results = outcomes.map(({ problem }, index) => {
    const receipt = receipts[index];
    return problem ? { receipt, problem: problemJson(problem) } : { receipt, ok: true };
  });
  return { results };
}

/** Aborted when the caller goes away before it was answered. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableEnded) gone.abort();
  });
  return gone.signal;
}

@Controller()
export class DeliveriesController {
  constructor(
    @Inject(SERVICES) private readonly services: Services,
    private readonly owners: OwnerRoute,
  ) {}

  @HandlesDirectly(receiveDeliveries)
  async receive(request: FastifyRequest, reply: FastifyReply) {
    const { params, body } = receiveDeliveries.read(request);
    const signal = goneSignal(reply);
    const { topic, group } = params;
    const here = async () => {
      const mode = this.services.relay.owned(topic, group)?.config.mode;
      if (mode !== undefined && mode !== 'pull') {
        throw new Problem('wrong-mode', `${topic}/${group} is of mode ${mode}: nothing can be received from it`);
      }
      return receivedText(await this.services.pull.receive(topic, group, body, signal));
    };
    const routed = await this.owners.run(request, params, here, body.waitMs, signal);
    if (routed.passedOn) return relayAnswer(reply, routed.passedOn);
    reply.header('content-type', json);
    return routed.here;
  }

  @HandlesDirectly(ackDeliveries)
  async ack(request: FastifyRequest, reply: FastifyReply) {
    const { params, body } = ackDeliveries.read(request);
    const ack = () => this.services.pull.ack(params.topic, params.group, body.receipts);
    return this.#settled(reply, body.receipts, await this.owners.run(request, params, ack));
  }

  @HandlesDirectly(nackDeliveries)
  async nack(request: FastifyRequest, reply: FastifyReply) {
    const { params, body } = nackDeliveries.read(request);
    const nack = () => this.services.pull.nack(params.topic, params.group, body.receipts, body);
    return this.#settled(reply, body.receipts, await this.owners.run(request, params, nack));
  }

  @HandlesDirectly(extendDeliveries)
  async extend(request: FastifyRequest, reply: FastifyReply) {
    const { params, body } = extendDeliveries.read(request);
    const extend = () => this.services.pull.extend(params.topic, params.group, body.receipts, body.visibilityMs);
    return this.#settled(reply, body.receipts, await this.owners.run(request, params, extend));
  }

  #settled(reply: FastifyReply, receipts: string[], routed: Routed<Outcome<true>[]>) {
    return routed.passedOn ? relayAnswer(reply, routed.passedOn) : settledAnswer(receipts, routed.here);
  }
}
