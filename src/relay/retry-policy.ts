import type { RetryPolicy } from '../message/subscription.js';

/**
 * How long to wait before the next try.
 * @param failed the number of the try that failed, from 1; beyond the last level the last one is used
 * @param random 0 ≤ random < 1, drawn by the caller; jitter spreads the delay evenly over `delay * (1 ± jitter)`, never beyond `maxMs`
 * @returns whole milliseconds
 */
export function retryDelayMs(policy: RetryPolicy, failed: number, random: number): number {
  if ('levelsMs' in policy) return policy.levelsMs[Math.min(failed, policy.levelsMs.length) - 1] ?? 0;
  if ('fixedMs' in policy) return policy.fixedMs;
  const delay = Math.min(policy.maxMs, policy.initialMs * policy.factor ** (failed - 1));
  const spread = delay * policy.jitter * (2 * random - 1);
  return Math.round(Math.min(policy.maxMs, Math.max(0, delay + spread)));
}
