import { Inject, Injectable } from '@nestjs/common';
import { forwardLoop, type ForwardEdge } from '../deliver/forward-loop.js';
import { Problem } from '../message/problem.js';
import type { ForwardTarget } from '../message/subscription.js';
import { SERVICES, type Services } from './services.js';
import { SubscriptionChanges } from './subscription-changes.js';
import { requireTransport } from './transport-names.js';

/** Topics that one chain of forwards is followed through. */
const topicsMax = 1_000;

/** Refuses forwards that would bring messages back to where they were. */
@Injectable()
export class ForwardTargets {
  constructor(
    @Inject(SERVICES) private readonly services: Services,
    private readonly changes: SubscriptionChanges,
  ) {}

  /** `topic-not-found` for a topic that may not be created; `validation-failed` for a loop or an unknown transport. */
  async check(from: { topic: string; group: string }, target: ForwardTarget): Promise<void> {
    if ('topic' in target) return this.#checkTopic(from, target.topic);
    requireTransport(target.transport, this.services.transports.names, 'forward.transport');
  }

  async #checkTopic({ topic, group }: { topic: string; group: string }, target: string): Promise<void> {
    await this.services.topics.resolve([{ topic: target }]);
    const loop = forwardLoop({ topic, group, target }, await this.#reachableFrom(target));
    if (!loop) return;
    const reason = `makes a loop: ${loop.join(' → ')}`;
    throw new Problem('validation-failed', `forward.topic: ${reason}`, { fields: [{ path: 'forward.topic', reason }] });
  }

  async #reachableFrom(start: string): Promise<ForwardEdge[]> {
    const edges: ForwardEdge[] = [];
    const seen = new Set([start]);
    for (const topic of seen) {
      if (seen.size > topicsMax) throw new Problem('validation-failed', 'the chain of forwards is too long');
      for (const { group, config } of await this.changes.ofTopic(topic)) {
        if (!config.forward || !('topic' in config.forward)) continue;
        edges.push({ topic, group, target: config.forward.topic });
        seen.add(config.forward.topic);
      }
    }
    return edges;
  }
}
