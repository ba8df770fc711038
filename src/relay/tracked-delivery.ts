import type { MessageRef } from '../message/ref.js';
import type { RetryEntry, RetryState } from '../store/lane-store.js';

/**
 * Where a delivery stands in its owner's memory.
 * ready → giving → given → settling → gone; a failed write takes giving back to ready and settling back to given.
 */
export type DeliveryPhase = 'ready' | 'giving' | 'given' | 'settling';

/** One message on its way through the relay: the same object from reading it until it is settled. */
export interface TrackedDelivery {
  readonly shard: number;
  readonly offset: number;
  readonly ref: MessageRef;
  /** Tries given out, the present one included once it is `giving`. */
  attempt: number;
  phase: DeliveryPhase;
  /** Its row is in the retry store; the log's cursor counts it as settled. */
  inRetry: boolean;
  /** A write that moved it to the retry store failed, and may have been done all the same: its row goes when it is settled. */
  mayHaveRow?: true;
  /** That it is given out has been stored: its lane's cursor names it (only when not `inRetry`). */
  recorded: boolean;
  /** Given out by an earlier owner. */
  inherited: boolean;
  /** When the present claim ends (epoch ms). */
  claimedUntil: number;
  error?: string;
  firstFailedAt?: number;
  /** Made once, so that storing the same dead letter again does not double it. */
  deadLetterId?: string;
}

/** A message read from the log that nobody has had yet. */
export function trackedFromLog(shard: number, offset: number, ref: MessageRef): TrackedDelivery {
  return {
    shard,
    offset,
    ref,
    attempt: 0,
    phase: 'ready',
    inRetry: false,
    recorded: false,
    inherited: false,
    claimedUntil: 0,
  };
}

/** A message read from the retry store, to be given out again. */
export function trackedFromRetry(entry: RetryEntry): TrackedDelivery {
  const delivery = trackedFromLog(entry.shard, entry.offset, entry.ref);
  delivery.attempt = entry.attempt;
  delivery.inRetry = true;
  if (entry.error !== undefined) delivery.error = entry.error;
  if (entry.firstFailedAt !== undefined) delivery.firstFailedAt = entry.firstFailedAt;
  return delivery;
}

/** The delivery's row in the retry store. */
export function retryEntryOf(
  delivery: TrackedDelivery,
  state: RetryState,
  dueAt: number,
  failure: { error?: string; firstFailedAt?: number } = delivery,
): RetryEntry {
  const { shard, offset, ref, attempt } = delivery;
  const entry: RetryEntry = { shard, offset, ref, state, attempt, dueAt };
  if (failure.error !== undefined) entry.error = failure.error;
  if (failure.firstFailedAt !== undefined) entry.firstFailedAt = failure.firstFailedAt;
  return entry;
}
