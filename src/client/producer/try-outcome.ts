import { notABroker, refusal } from '../broker/halfbox-client.js';
import { valueOf, type Call, type CallAnswer, type Caller } from '../broker/caller.js';
import { BrokerRefused, BrokerUnreachable, type RefusedField } from '../errors.js';

/** How one try of one content ended. `postponed`: it was not tried, because something before it has to be tried again. */
export type TryOutcome<Result> =
  { kind: 'done'; result: Result } | { kind: 'failed'; error: TryError; endpoint: string | undefined } | Postponed;

export interface Postponed {
  kind: 'postponed';
}

export type TryError = BrokerRefused | BrokerUnreachable;

/** Statuses that another try, or another broker, can change. */
const passing = new Set([421, 429, 500, 502, 503, 504]);

/** What a proxy answers instead of a broker that has got the call, or not all of it, besides its own 5xx. */
const requestTimeout = 408;

/** Statuses of calls that certainly were not done: another broker is meant, or there was too much to do. */
const notDone = new Set([421, 429]);

/**
 * Whether another try can end otherwise. A broker that failed unexpectedly (500) is tried again too: the ids make that
 * safe, the repeat gets the true result, and another broker may be well.
 */
export function isPassing(error: TryError): boolean {
  if (error instanceof BrokerUnreachable || passing.has(error.status)) return true;
  return error.code === notABroker && (error.status >= 500 || error.status === requestTimeout);
}

/** Whether what was asked may have been done in spite of the error. */
export function mayBeDone(error: TryError): boolean {
  if (error instanceof BrokerUnreachable) return error.mayBeDone;
  return isPassing(error) && !notDone.has(error.status);
}

const tooLarge = 413;
const faultsOfOne = new Set([400, 404, 409]);

/** Whether a gathered call may have been refused because of one of its contents. */
function mayBeFaultOfOne(outcome: TryOutcome<unknown>): boolean {
  if (outcome.kind !== 'failed' || !(outcome.error instanceof BrokerRefused)) return false;
  const { status, code } = outcome.error;
  // A proxy may take less at once than a broker does.
  return status === tooLarge || (faultsOfOne.has(status) && code !== notABroker);
}

/**
 * Makes one call and reads its answer; what is refused or unreachable is an outcome.
 * @param read throws for what no broker answers to this call: then nothing is known of what was done
 */
export async function tryCall<Answer>(
  caller: Caller,
  call: Call,
  read: (answer: unknown) => Answer,
): Promise<TryOutcome<Answer>> {
  let answer: CallAnswer;
  try {
    answer = await caller.call(call);
  } catch (error) {
    const unreachable = error instanceof BrokerUnreachable ? error : new BrokerUnreachable('the broker', true, error);
    return { kind: 'failed', error: unreachable, endpoint: unreachable.url };
  }
  const { status, endpoint } = answer;
  if (status >= 300) return { kind: 'failed', error: refusal(answer), endpoint };
  try {
    return { kind: 'done', result: read(valueOf(answer)) };
  } catch (cause) {
    return { kind: 'failed', error: new BrokerUnreachable(endpoint ?? 'the broker', true, cause), endpoint };
  }
}

/**
 * Tries all contents together. Where that is refused and the fault may be one content's, tries halves of them, so that
 * only what is at fault is refused. The second half waits for the first, and is postponed where that has to be tried
 * again: nothing is overtaken.
 */
export async function tryTogether<Content, Result>(
  contents: readonly Content[],
  attempt: (contents: readonly Content[]) => Promise<TryOutcome<readonly TryOutcome<Result>[]>>,
): Promise<TryOutcome<Result>[]> {
  const outcome = await attempt(contents);
  if (outcome.kind === 'done') return [...outcome.result];
  if (contents.length === 1 || !mayBeFaultOfOne(outcome)) return contents.map(() => outcome);
  const middle = contents.length >> 1;
  const first = await tryTogether(contents.slice(0, middle), attempt);
  const rest = contents.slice(middle);
  const isBlocked = first.some((one) => one.kind === 'postponed' || (one.kind === 'failed' && isPassing(one.error)));
  const second = isBlocked ? rest.map((): Postponed => ({ kind: 'postponed' })) : await tryTogether(rest, attempt);
  return [...first, ...second];
}

/** The problem of one item of a batch. */
export function itemRefusal(problem: {
  type: string;
  status: number;
  detail: string;
  errors?: RefusedField[] | undefined;
}): BrokerRefused {
  return refusal({ status: problem.status, text: JSON.stringify(problem) });
}
