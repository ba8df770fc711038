import { bounds } from '../message/bounds.js';
import { readFailureText } from '../message/failure-text.js';
import type { FailedInJob } from '../message/job-result.js';
import type { EngineOutcome } from '../queue/queue-engine.js';
import type { DeliveryResult } from '../relay/owned-subscription.js';

const withoutReason = 'failed without a reason';
/** What the tries of a job are recorded as whose `failed` is no list. */
export const unreadableResult = 'failed is no list of messages';
/** What those that were not named are recorded as where something else was. */
export const misnamedResult = 'failed names a message that is not in the job';

export interface JobResults {
  /** One for each message of the job, in its order. */
  results: DeliveryResult[];
  /** Entries of `failed` that name none of its messages. */
  misnamed: number;
}

/**
 * How the messages of an ended job ended, by the contract of `JobResult`. What cannot be understood never acknowledges: a
 * message may be handled twice, and not be lost.
 */
export function resultsOf(outcome: EngineOutcome, messageIds: string[]): JobResults {
  const all = (result: DeliveryResult): JobResults => ({ results: messageIds.map(() => result), misnamed: 0 });
  if (!outcome.ok) return all(failureOf(outcome.error));
  const failed = failedOf(outcome.returned);
  if (failed === undefined) return all({ kind: 'ack' });
  if (!Array.isArray(failed)) return all({ kind: 'nack', error: unreadableResult });
  const unnamed = new Set(messageIds);
  const named = new Map<string, DeliveryResult>();
  let misnamed = 0;
  for (const entry of failed as unknown[]) {
    const { id, ...failure } = entryOf(entry);
    if (unnamed.delete(id)) named.set(id, resultOf(failure));
    else if (!named.has(id)) misnamed += 1;
  }
  const other: DeliveryResult = misnamed === 0 ? { kind: 'ack' } : { kind: 'nack', error: misnamedResult };
  return { results: messageIds.map((id) => named.get(id) ?? other), misnamed };
}

/** The member `failed` of what a worker returned; undefined where it names no failures. */
function failedOf(returned: string | undefined): unknown {
  if (returned === undefined) return undefined;
  try {
    const result = JSON.parse(returned) as { failed?: unknown } | null;
    return result?.failed ?? undefined;
  } catch {
    // Bull writes JSON. Whoever writes anything else names no failures.
    return undefined;
  }
}

/** Without an id that anything has where the entry is none. */
function entryOf(entry: unknown): FailedInJob {
  if (typeof entry === 'string') return { id: entry };
  const { id, error, delayMs, deadLetter, release } = (entry ?? {}) as { [name in keyof FailedInJob]?: unknown };
  const read: FailedInJob = { id: typeof id === 'string' ? id : '' };
  if (typeof error === 'string') read.error = error;
  if (typeof delayMs === 'number' && delayMs >= 0) read.delayMs = Math.min(delayMs, bounds.delayMsMax);
  if (deadLetter === true) read.deadLetter = true;
  if (release === true) read.release = true;
  return read;
}

function resultOf({ error, delayMs, deadLetter, release }: Omit<FailedInJob, 'id'>): DeliveryResult {
  if (release) return { kind: 'release' };
  if (deadLetter) return { kind: 'reject', error: error || withoutReason };
  if (delayMs !== undefined) return { kind: 'nack', error: error || withoutReason, delayMs };
  return failureOf(error);
}

/** What a worker's error text means. It may ask for the dead letters, or for a wait of its own. */
function failureOf(error: string | undefined): DeliveryResult {
  const failure = readFailureText(error ?? '');
  if (failure.kind === 'plain') return { kind: 'nack', error: error || withoutReason };
  if (failure.kind === 'reject') return { kind: 'reject', error: failure.reason || withoutReason };
  const delayMs = Math.min(failure.afterMs, bounds.delayMsMax);
  return { kind: 'nack', error: failure.reason || withoutReason, delayMs };
}
