import pRetry from 'p-retry';
import { Problem } from '../message/problem.js';
import type { DeliveryOutcome, OwnedSubscription } from '../relay/owned-subscription.js';
import type { Logger } from '../runtime/logger.js';

/**
 * Stores outcomes, again and again while the store is away, until `retryForMs` are over or the signal ends it, at
 * least once. Never throws: what could not be stored is logged, and its claim ends as a failed attempt.
 */
export async function settleFirmly(
  owned: OwnedSubscription,
  outcomes: DeliveryOutcome[],
  retryForMs: number,
  signal: AbortSignal,
  logger: Logger,
): Promise<void> {
  if (outcomes.length === 0) return;
  try {
    await pRetry(() => owned.settle(outcomes), {
      retries: Number.POSITIVE_INFINITY,
      minTimeout: 200,
      maxTimeout: 2_000,
      maxRetryTime: retryForMs,
      // Not p-retry's own signal: one that is aborted before must not keep the outcomes from being tried once.
      shouldRetry: ({ error }) => !signal.aborted && error instanceof Problem && error.slug === 'unavailable',
    });
  } catch (error) {
    const { topic, group } = owned;
    logger.warn({ err: error, topic, group, outcomes: outcomes.length }, 'outcomes of deliveries could not be stored');
  }
}
