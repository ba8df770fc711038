import { bounds } from '../../message/bounds.js';
import { plainText, rejectText, retryText } from '../../message/failure-text.js';
import { HalfboxError } from '../errors.js';

/**
 * What `Retry` and `Reject` ask for. By a symbol, which errors of other copies of this package have too, and which no text
 * can forge: an error may repeat what a message says.
 */
const asked = Symbol.for('halfbox.asked');

export interface RetryOptions {
  /** Wait before the next try, 0..365 days in milliseconds, instead of the subscription's retry policy. */
  afterMs?: number | undefined;
  /** Kept as the error of this try. */
  reason?: string | undefined;
  cause?: unknown;
}

/**
 * Thrown by a handler: try this message again, after `afterMs` or by the subscription's retry policy. The try counts as
 * a failed attempt, so that the message becomes a dead letter when it has none left. Works in a plain Bull worker too.
 */
export class Retry extends HalfboxError {
  readonly code = 'retry';
  readonly afterMs: number | undefined;
  readonly [asked]: Verdict;

  /** Throws a RangeError for an `afterMs` beyond its bounds. */
  constructor({ afterMs, reason = 'another try was asked for', cause }: RetryOptions = {}) {
    if (afterMs !== undefined && !(afterMs >= 0 && afterMs <= bounds.delayMsMax)) {
      throw new RangeError(`afterMs is ${afterMs}, and must be 0 to ${bounds.delayMsMax}`);
    }
    const delayMs = afterMs === undefined ? undefined : Math.ceil(afterMs);
    super(delayMs === undefined ? plainText(reason) : retryText(delayMs, reason), { cause });
    this.afterMs = afterMs;
    this[asked] = { kind: 'nack', error: bounded(reason), ...(delayMs !== undefined && { delayMs }) };
  }
}

/**
 * Thrown by a handler: no further try can succeed. The message goes straight to the subscription's dead letters with
 * this reason, from where an operator can redrive or discard it. Works in a plain Bull worker too.
 */
export class Reject extends HalfboxError {
  readonly code = 'reject';
  readonly [asked]: Verdict;

  constructor(
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(rejectText(reason), options);
    this[asked] = { kind: 'reject', error: bounded(reason) };
  }
}

/** How a delivery ends for the broker. */
export type Verdict =
  | { kind: 'ack' }
  | { kind: 'nack'; error: string; delayMs?: number }
  | { kind: 'reject'; error: string }
  /** Not begun: no attempt is counted. */
  | { kind: 'release' };

/** The text of whatever was thrown. Never empty. */
export function textOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message || thrown.name;
  if (typeof thrown === 'string') return thrown || 'failed without a reason';
  const { message } = (thrown ?? {}) as { message?: unknown };
  return typeof message === 'string' && message !== '' ? message : `threw ${describe(thrown)}`;
}

export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(textOf(thrown));
}

/** What a handler's failure means. The text is cut to the bound of the contract, 1,000 characters. */
export function verdictOf(thrown: unknown): Verdict {
  return askedBy(thrown) ?? { kind: 'nack', error: bounded(textOf(thrown)) };
}

/** Whether the handler asked for this end itself, so that nothing unexpected has happened. */
export function isAskedFor(thrown: unknown): boolean {
  return askedBy(thrown) !== undefined;
}

function askedBy(thrown: unknown): Verdict | undefined {
  return (thrown as { readonly [asked]?: Verdict } | null | undefined)?.[asked];
}

function bounded(text: string): string {
  // Half a surrogate pair, as a cut can leave one, would be refused, and so would an empty text.
  return text.slice(0, bounds.reasonLengthMax).replace(/\p{Cs}/gu, '\ufffd') || 'failed without a reason';
}

function describe(thrown: unknown): string {
  try {
    return JSON.stringify(thrown) ?? String(thrown);
  } catch {
    return Object.prototype.toString.call(thrown);
  }
}
