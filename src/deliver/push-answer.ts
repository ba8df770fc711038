import type { CallbackAnswer, CallbackFailure } from '../callback/callback-client.js';
import type { DeliveryResult } from '../relay/owned-subscription.js';

/** The longest wait that a Retry-After is followed for. */
export const retryAfterMsMax = 24 * 3_600_000;

/** What an answer to a push means. */
export interface PushVerdict {
  result: DeliveryResult;
  /** The target asked to be left alone: nothing is pushed for so long. */
  holdMs?: number;
  /** The target said that it is gone for good. */
  gone?: true;
}

/** A target that answers with it and no 2xx has seen that no further try can succeed: `halfbox-dead-letter: true`. */
const deadLetterHeader = 'halfbox-dead-letter';

/** 2xx acks; everything else is a failed attempt, redirects included. 410 says that nobody will ever listen there again. */
export function judgeAnswer({ status, headers }: CallbackAnswer, now: number): PushVerdict {
  if (status >= 200 && status < 300) return { result: { kind: 'ack' } };
  const error = `http-${status}`;
  if (status === 410) return { result: { kind: 'nack', error }, gone: true };
  if (headers[deadLetterHeader] === 'true') return { result: { kind: 'reject', error } };
  const delayMs = retryAfterMs(headers['retry-after'], now);
  if (delayMs === undefined) return { result: { kind: 'nack', error } };
  const result = { kind: 'nack', error, delayMs } as const;
  return status === 429 || status === 503 ? { result, holdMs: delayMs } : { result };
}

/** No answer came: a failed attempt. */
export function judgeFailure({ kind, message }: CallbackFailure): PushVerdict {
  return { result: { kind: 'nack', error: kind === 'timeout' ? kind : `${kind}: ${message}` } };
}

/** RFC 9110 §10.2.3: seconds, or a date; bounded by {@link retryAfterMsMax}. Undefined when there is none that can be read. */
export function retryAfterMs(value: string | string[] | undefined, now: number): number | undefined {
  const text = Array.isArray(value) ? value[0] : value;
  if (text === undefined) return undefined;
  const waitMs = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : dateOf(text) - now;
  if (Number.isNaN(waitMs)) return undefined;
  return Math.min(Math.max(0, waitMs), retryAfterMsMax);
}

/** An HTTP date begins with the day's name; what else `Date.parse` would take is no date here. */
function dateOf(text: string): number {
  return /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : NaN;
}
