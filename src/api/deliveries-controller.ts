import { Controller, Inject } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ReceivedDelivery } from '../deliver/pulled-subscription.js';
import type { SeveralDelivery } from '../deliver/pull-several.js';
import { messageText } from '../message/message-json.js';
import { Problem, type Outcome } from '../message/problem.js';
import { AckSeveral } from './ack-several.js';
import { HandlesDirectly } from './direct-routes.js';
import {
  ackDeliveries,
  ackSeveral,
  extendDeliveries,
  nackDeliveries,
  receiveDeliveries,
  receiveSeveral,
} from './endpoints/deliveries.js';
import { OwnerRoute, relayAnswer, type Routed } from './owner-route.js';
import { SERVICES, type Services } from './services.js';
import { settleResults } from './settle-results.js';

const json = 'application/json; charset=utf-8';

/** As text: bodies are put in as they are stored. */
function deliveryText({ receipt, delivery }: ReceivedDelivery): string {
  return `"receipt":"${receipt}","attempt":${delivery.attempt},"message":${messageText(delivery.message, delivery)}`;
}

function receivedText(deliveries: ReceivedDelivery[]): string {
  return `{"deliveries":[${deliveries.map((delivery) => `{${deliveryText(delivery)}}`).join(',')}]}`;
}

/** Names of topics and groups need no escaping. */
function severalText(deliveries: SeveralDelivery[]): string {
  const items = deliveries.map((one) => `{"topic":"${one.topic}","group":"${one.group}",${deliveryText(one)}}`);
  return `[${items.join(',')}]`;
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
  readonly #ackSeveral: AckSeveral;

  constructor(
    @Inject(SERVICES) private readonly services: Services,
    private readonly owners: OwnerRoute,
  ) {
    this.#ackSeveral = new AckSeveral(services, owners);
  }

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

  @HandlesDirectly(receiveSeveral)
  async receiveSeveral(request: FastifyRequest, reply: FastifyReply) {
    const { subscriptions, ...how } = receiveSeveral.read(request).body;
    const received = await this.services.pull.several.receive(subscriptions, how, goneSignal(reply));
    reply.header('content-type', json);
    return `{"deliveries":${severalText(received.deliveries)},"notServed":${JSON.stringify(received.notServed)}}`;
  }

  @HandlesDirectly(ackSeveral)
  async ackSeveral(request: FastifyRequest) {
    const { deliveries } = ackSeveral.read(request).body;
    return { results: await this.#ackSeveral.run(request, deliveries) };
  }

  #settled(reply: FastifyReply, receipts: string[], routed: Routed<Outcome<true>[]>) {
    return routed.passedOn ? relayAnswer(reply, routed.passedOn) : { results: settleResults(receipts, routed.here) };
  }
}
