import { Controller, Inject, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Problem } from '../message/problem.js';
import type { DeadLetterSelection } from '../store/dead-letter-store.js';
import { deadLetterAnswer } from './catalog-answers.js';
import { discardDeadLetters, listDeadLetters, redriveDeadLetters } from './endpoints/operations.js';
import { Handles } from './handles.js';
import { SERVICES, type Services } from './services.js';
import { SubscriptionChanges } from './subscription-changes.js';

/** Dead letters of one database transaction. */
const batchMax = 500;

type Step = (selection: DeadLetterSelection) => Promise<{
  count: number;
  subscriptions: { topic: string; group: string }[];
}>;

@Controller()
export class DeadLettersController {
  constructor(
    @Inject(SERVICES) private readonly services: Services,
    private readonly changes: SubscriptionChanges,
  ) {}

  @Handles(listDeadLetters)
  async list(@Req() request: FastifyRequest) {
    const { after, limit, ...filter } = listDeadLetters.read(request).query;
    const { items, next } = await this.services.store.deadLetters.list(filter, after, limit);
    return { items: items.map(deadLetterAnswer), next };
  }

  @Handles(redriveDeadLetters)
  redrive(@Req() request: FastifyRequest) {
    const { body } = redriveDeadLetters.read(request);
    const { store, clock } = this.services;
    return this.#each(body, (selection) => store.deadLetters.redrive(selection, clock.now(), batchMax));
  }

  @Handles(discardDeadLetters)
  discard(@Req() request: FastifyRequest) {
    const { body } = discardDeadLetters.read(request);
    return this.#each(body, (selection) => this.services.store.deadLetters.discard(selection, batchMax));
  }

  /** Batch by batch until none is left of the selection: one that a redrive makes die again meanwhile may go twice. */
  async #each(body: { ids?: string[]; topic?: string; group?: string }, step: Step) {
    const selection = await this.#selection(body);
    let count = 0;
    for (let full = true; full;) {
      const moved = await step(selection);
      count += moved.count;
      full = !('ids' in selection) && moved.count >= batchMax;
      await this.changes.changed(moved.subscriptions);
    }
    return { count };
  }

  async #selection({
    ids,
    topic,
    group,
  }: {
    ids?: string[];
    topic?: string;
    group?: string;
  }): Promise<DeadLetterSelection> {
    if (ids !== undefined) return { ids: [...new Set(ids)] };
    // The schema has seen to it that both are there.
    const named = { topic: topic!, group: group! };
    if (await this.services.store.subscriptions.get(named.topic, named.group)) return named;
    throw new Problem('subscription-not-found', `there is no subscription ${topic}/${group}`);
  }
}
