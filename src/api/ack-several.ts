import type { Pull } from '../deliver/pull.js';
import type { NodeAnswer } from './node-client.js';
import type { OwnerRoute, RoutedRequest } from './owner-route.js';
import type { ProblemJson } from './problem-json.js';
import { allRefused, settleResults, type SettleResult } from './settle-results.js';

/** A delivery to acknowledge. */
export interface AckedDelivery {
  topic: string;
  group: string;
  receipt: string;
}

/** Those of one subscription. */
interface Part {
  topic: string;
  group: string;
  /** Where they are in the call. */
  indexes: number[];
  receipts: string[];
}

/**
 * Acknowledges deliveries of several subscriptions, each where it is owned: the parts of other nodes are passed on to them.
 * A part that fails has its problem as the result of each of its receipts.
 */
export class AckSeveral {
  constructor(
    private readonly pull: Pick<Pull, 'ack'>,
    private readonly owners: OwnerRoute,
  ) {}

  /** A result for each delivery, in order. */
  async run(request: Pick<RoutedRequest, 'fromNode'>, deliveries: AckedDelivery[]): Promise<SettleResult[]> {
    const results: SettleResult[] = [];
    await Promise.all(
      partsOf(deliveries).map(async (part) => {
        const ofPart = await this.#ack(request, part).catch((error: unknown) => allRefused(part.receipts, error));
        part.indexes.forEach((index, at) => (results[index] = placed(ofPart[at]!, index)));
      }),
    );
    return results;
  }

  async #ack({ fromNode }: Pick<RoutedRequest, 'fromNode'>, part: Part): Promise<SettleResult[]> {
    const { topic, group, receipts } = part;
    const request = { fromNode, url: `/v1/subscriptions/${topic}/${group}/ack`, body: { receipts } };
    const routed = await this.owners.run(request, part, () => this.pull.ack(topic, group, receipts));
    return routed.passedOn ? resultsOf(routed.passedOn, receipts) : settleResults(receipts, routed.here);
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
function resultsOf({ status, text }: NodeAnswer, receipts: string[]): SettleResult[] {
  const answer = JSON.parse(text) as { results: SettleResult[] } | ProblemJson;
  if (status === 200 && 'results' in answer) return answer.results;
  return receipts.map((receipt) => ({ receipt, problem: answer as ProblemJson }));
}

/** Names the field as it is in this call. */
function placed(result: SettleResult, index: number): SettleResult {
  if (!('problem' in result) || result.problem.errors === undefined) return result;
  const errors = result.problem.errors.map(({ reason }) => ({ path: `deliveries.${index}.receipt`, reason }));
  return { ...result, problem: { ...result.problem, errors } };
}
