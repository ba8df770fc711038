import { setTimeout as wait } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import { Problem } from '../message/problem.js';
import type { NodeRow } from '../store/node-store.js';
import type { NodeAnswer, NodeClient } from './node-client.js';
import type { Services } from './services.js';

/** Between two tries to reach an owner that did not answer. */
const tryAgainMs = 100;

/** What a call gives: an answer made here, or one of the owner, to be sent as it is. */
export type Routed<Answer> = { here: Answer; passedOn?: undefined } | { passedOn: NodeAnswer; here?: undefined };

/** What is passed on of a request, and whether another node has passed it on already. */
export interface RoutedRequest {
  url: string;
  body?: unknown;
  fromNode: boolean;
}

/** Brings a call to the node that owns its subscription: this one, or another one over one hop. */
export class OwnerRoute {
  constructor(
    private readonly services: Pick<Services, 'relay' | 'takeOverWaitMs' | 'logger'>,
    private readonly nodes: NodeClient,
  ) {}

  /**
   * Runs `here` on the owner, or passes the request on to it. While nobody owns the subscription, or its owner does not
   * answer, waits for a take-over within the bound. `subscription-not-found`, `unavailable`; `not-owner` to another node.
   * @param waitMs how long the call itself may wait on the owner
   */
  async run<Answer>(
    request: RoutedRequest,
    subscription: { topic: string; group: string },
    here: () => Promise<Answer>,
    waitMs = 0,
    signal?: AbortSignal,
  ): Promise<Routed<Answer>> {
    const { relay, takeOverWaitMs } = this.services;
    const { topic, group } = subscription;
    const deadline = performance.now() + takeOverWaitMs;
    for (;;) {
      if (relay.owned(topic, group)) {
        const answer = await this.#runHere(topic, group, here);
        if (answer) return answer;
      }
      if (request.fromNode) throw new Problem('not-owner', `this node does not own ${topic}/${group}`);
      const located = await relay.locate(topic, group, Math.max(0, deadline - performance.now()));
      if (located.node) {
        const passedOn = await this.#passOn(request, located.node, waitMs, signal);
        if (passedOn) return { passedOn };
        if (performance.now() >= deadline) throw ownerAway(topic, group);
        await wait(tryAgainMs);
      }
    }
  }

  /** Null when the subscription went to another node before anything was done. */
  async #runHere<Answer>(topic: string, group: string, here: () => Promise<Answer>): Promise<Routed<Answer> | null> {
    try {
      return { here: await here() };
    } catch (error) {
      const lost = error instanceof Problem && error.slug === 'unavailable' && !this.services.relay.owned(topic, group);
      if (lost) return null;
      throw error;
    }
  }

  /** The owner's answer; null when it gave none, or is the owner no longer. */
  async #passOn(
    request: RoutedRequest,
    owner: NodeRow,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<NodeAnswer | null> {
    try {
      const answer = await this.nodes.post(owner.url, request.url, request.body, waitMs, signal);
      // 503: the owner is stopping, or has just lost its lease.
      return answer.status === 421 || answer.status === 503 ? null : answer;
    } catch (error) {
      if (signal?.aborted) throw error;
      this.services.logger.debug({ err: error, node: owner.id, url: owner.url }, 'an owner did not answer');
      return null;
    }
  }
}

/** Sends an owner's answer on as it is. */
export function relayAnswer(reply: FastifyReply, answer: NodeAnswer): string {
  reply.code(answer.status).header('content-type', answer.contentType);
  if (answer.retryAfter !== undefined) reply.header('retry-after', answer.retryAfter);
  return answer.text;
}

function ownerAway(topic: string, group: string): Problem {
  return new Problem('unavailable', `the node that owns ${topic}/${group} does not answer`, { retryAfterMs: 1_000 });
}
