import type { SubscriptionName } from '../deliver/pulled-subscription.js';
import { Problem } from '../message/problem.js';
import { eachLimited } from '../runtime/each-limited.js';
import type { NodeAnswer } from './node-client.js';
import type { OwnerRoute, RoutedRequest } from './owner-route.js';
import type { ProblemJson } from './problem-json.js';
import { problemOf } from './refusal.js';
import type { Services } from './services.js';
import { allRefused, settleResults, type SettleResult } from './settle-results.js';

/** A delivery to acknowledge. */
export interface AckedDelivery extends SubscriptionName {
  receipt: string;
}

/** Those of one subscription. */
interface Part extends SubscriptionName {
  /** Where they are in the call. */
  indexes: number[];
  receipts: string[];
}

/** Subscriptions of other nodes, or of none, that are asked for at the same time. */
const elsewhereAtOnce = 16;

/**
 * Acknowledges deliveries of several subscriptions, each where it is owned: the parts of other nodes are passed on to them.
 * A part that fails has its problem as the result of each of its receipts; the others stand.
 */
export class AckSeveral {
  constructor(
    private readonly services: Pick<Services, 'pull' | 'relay' | 'takeOverWaitMs' | 'logger'>,
    private readonly owners: OwnerRoute,
  ) {}

  /** A result for each delivery, in order. */
  async run(request: Pick<RoutedRequest, 'fromNode'>, deliveries: AckedDelivery[]): Promise<SettleResult[]> {
    const { relay, logger, takeOverWaitMs } = this.services;
    const deadline = performance.now() + takeOverWaitMs;
    const results: SettleResult[] = [];
    const ack = async (part: Part): Promise<void> => {
      const { indexes, receipts } = part;
      const ended = this.#ack(request, part, deadline);
      const ofPart = await ended.catch((error: unknown) => allRefused(receipts, problemOf(error, logger)));
      indexes.forEach((index, at) => (results[index] = ofPart[at]!));
    };
    const parts = partsOf(deliveries);
    const isHere = ({ topic, group }: Part): boolean => relay.owned(topic, group) !== null;
    // Those of this node share a write.
    const here = parts.filter(isHere).map(ack);
    const elsewhere = parts.filter((part) => !isHere(part));
    await Promise.all([...here, eachLimited(elsewhere, elsewhereAtOnce, ack)]);
    return results;
  }

  async #ack({ fromNode }: Pick<RoutedRequest, 'fromNode'>, part: Part, deadline: number): Promise<SettleResult[]> {
    const { topic, group, receipts } = part;
    if (performance.now() > deadline) {
      const detail = `the owners of others did not answer in time: ${topic}/${group} was not asked`;
      throw new Problem('unavailable', detail, { retryAfterMs: 1_000 });
    }
    const request = { fromNode, url: `/v1/subscriptions/${topic}/${group}/ack`, body: { receipts } };
    const routed = await this.owners.run(request, part, () => this.services.pull.ack(topic, group, receipts));
    const results = routed.passedOn ? resultsOf(routed.passedOn, part) : settleResults(receipts, routed.here);
    return results.map((result, at) => placed(result, part.indexes[at]!));
  }
}

function partsOf(deliveries: AckedDelivery[]): Part[] {
  const parts = new Map<string, Part>();
  deliveries.forEach(({ topic, group, receipt }, index) => {
    const name = `${topic}/${group}`;
    let part = parts.get(name);
    if (part === undefined) parts.set(name, (part = { topic, group, indexes: [], receipts: [] }));
    part.indexes.push(index);
    part.receipts.push(receipt);
  });
  return [...parts.values()];
}

/** What the owner answered: a result for each, or one problem for all. */
function resultsOf({ status, text }: NodeAnswer, { topic, group, receipts }: Part): SettleResult[] {
  const answer = parsed(text);
  if (status !== 200 && isProblem(answer)) return receipts.map((receipt) => ({ receipt, problem: answer }));
  const { results } = (answer ?? {}) as { results?: unknown };
  if (status === 200 && Array.isArray(results) && results.length === receipts.length && results.every(isResult)) {
    return results;
  }
  throw new Problem('unavailable', `the owner of ${topic}/${group} gave no answer that can be read`);
}

function isResult(value: unknown): value is SettleResult {
  const { ok, problem } = (value ?? {}) as { ok?: unknown; problem?: unknown };
  return ok === true || isProblem(problem);
}

function isProblem(value: unknown): value is ProblemJson {
  const { type, status, errors } = (value ?? {}) as Partial<Record<keyof ProblemJson, unknown>>;
  return typeof type === 'string' && typeof status === 'number' && (errors === undefined || Array.isArray(errors));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Something between the nodes answered for the owner.
    return undefined;
  }
}

/** Names the field as it is in this call. */
function placed(result: SettleResult, index: number): SettleResult {
  if (!('problem' in result) || result.problem.errors === undefined) return result;
  const errors = result.problem.errors.map(({ reason }) => ({ path: `deliveries.${index}.receipt`, reason }));
  return { ...result, problem: { ...result.problem, errors } };
}
