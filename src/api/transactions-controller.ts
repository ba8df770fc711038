import { Controller, Inject, Req } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { PrepareRequest } from '../half/transactions.js';
import { Problem, type FieldProblem } from '../message/problem.js';
import type { Resolution } from '../message/transaction.js';
import { callerOf, requireScope } from './caller.js';
import { HandlesDirectly } from './direct-routes.js';
import { check, invalidInput, type Endpoint } from './endpoint.js';
import {
  batchTransactions,
  checkTransaction,
  commitTransaction,
  getTransaction,
  listTransactions,
  prepareTransaction,
  rollbackTransaction,
} from './endpoints/transactions.js';
import { Handles } from './handles.js';
import { id } from './schemas/fields.js';
import { newMessage } from './schemas/message.js';
import { prepareInput, type PrepareInput } from './schemas/transaction.js';
import { SERVICES, type Services } from './services.js';
import {
  failedItemAnswer,
  preparedAnswer,
  resolvedAnswer,
  transactionAnswer,
  transactionWithChecksAnswer,
} from './transaction-answers.js';

function prepareRequest(input: PrepareInput): PrepareRequest {
  return { ...input, messages: input.messages.map(newMessage) };
}

/** An item of a batch, or why it is refused. */
function readItem<T, Out>(
  schema: Parameters<typeof check<T>>[0],
  item: unknown,
  map: (value: T) => Out,
): Out | Problem {
  const problems: FieldProblem[] = [];
  const value = check(schema, item, problems);
  return problems.length > 0 ? invalidInput(problems) : map(value as T);
}

@Controller()
export class TransactionsController {
  constructor(@Inject(SERVICES) private readonly services: Services) {}

  @HandlesDirectly(prepareTransaction)
  async prepare(request: FastifyRequest, reply: FastifyReply) {
    const { body } = prepareTransaction.read(request);
    const prepared = await this.services.transactions.prepare(prepareRequest(body));
    if (prepared.repeated) reply.code(200);
    return preparedAnswer(prepared);
  }

  @HandlesDirectly(commitTransaction)
  commit(request: FastifyRequest) {
    return this.#resolve(request, commitTransaction, 'commit');
  }

  @HandlesDirectly(rollbackTransaction)
  rollback(request: FastifyRequest) {
    return this.#resolve(request, rollbackTransaction, 'rollback');
  }

  async #resolve(
    request: FastifyRequest,
    endpoint: Endpoint<{ id: string }, undefined, { by?: 'operator'; reason?: string }>,
    resolution: Resolution,
  ) {
    const { params, body } = endpoint.read(request);
    const { transactions, durability } = this.services;
    if (body.by === undefined) {
      requireScope(request, 'produce');
      return resolvedAnswer(await transactions.resolve(params.id, resolution, 'client'), durability());
    }
    requireScope(request, 'admin');
    const result = await transactions.resolve(params.id, resolution, 'operator', body.reason);
    if (!result.repeated) await this.#audit(request, resolution, params.id, body.reason);
    return resolvedAnswer(result, durability());
  }

  #audit(request: FastifyRequest, resolution: Resolution, target: string, reason: string | undefined): Promise<void> {
    const { store, clock } = this.services;
    const action = `transaction.${resolution}`;
    return store.catalog.audit({ at: clock.now(), actor: callerOf(request).name, action, target, reason });
  }

  @Handles(checkTransaction)
  async check(@Req() request: FastifyRequest) {
    const { params } = checkTransaction.read(request);
    await this.services.checks.checkNow(params.id);
    return this.#show(params.id, false);
  }

  @Handles(getTransaction)
  get(@Req() request: FastifyRequest) {
    const { params, query } = getTransaction.read(request);
    return this.#show(params.id, query.bodies);
  }

  async #show(transactionId: string, withBodies: boolean) {
    const view = await this.services.store.lookup.getTransaction(transactionId, withBodies);
    if (!view) throw new Problem('transaction-not-found', `transaction ${transactionId} does not exist`);
    return transactionWithChecksAnswer(view);
  }

  @Handles(listTransactions)
  async list(@Req() request: FastifyRequest) {
    const { after, limit, ...filter } = listTransactions.read(request).query;
    const { items, next } = await this.services.store.lookup.listTransactions(filter, after, limit);
    return { items: items.map(transactionAnswer), next };
  }

  @HandlesDirectly(batchTransactions)
  async batch(request: FastifyRequest) {
    const { body } = batchTransactions.read(request);
    const durability = this.services.durability();
    const idOf = (item: unknown) => readItem(id, item, (value) => value);
    const outcomes = await this.services.transactions.batch({
      prepare: body.prepare.map((item) => readItem(prepareInput, item, prepareRequest)),
      commit: body.commit.map(idOf),
      rollback: body.rollback.map(idOf),
    });
    const resolved = (items: unknown[]) => (outcome: (typeof outcomes.commit)[number], index: number) =>
      outcome.problem ? failedItemAnswer(outcome.problem, items[index]) : resolvedAnswer(outcome.value, durability);
    return {
      prepare: outcomes.prepare.map((outcome, index) => {
        if (!outcome.problem) return preparedAnswer(outcome.value);
        return failedItemAnswer(outcome.problem, (body.prepare[index] as { id?: unknown } | null)?.id);
      }),
      commit: outcomes.commit.map(resolved(body.commit)),
      rollback: outcomes.rollback.map(resolved(body.rollback)),
    };
  }
}
