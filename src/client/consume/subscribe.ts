import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { BrokerRefused, BrokerUnreachable } from '../errors.js';
import type { SubscriptionSettings } from '../contract.js';
import type { HalfboxClient } from '../broker/halfbox-client.js';
import type { ConsumedSubscription } from './consumer-options.js';
import { groupPattern } from '../../message/names.js';

const retryMsMin = 100;
const retryMsMax = 5_000;

/** The wait before the next try of a call that failed so often in a row, spread so that consumers do not come together. */
export function retryWaitMs(failures: number, error: unknown): number {
  const waitMs = Math.min(retryMsMin * 2 ** Math.min(failures - 1, 10), retryMsMax) * (0.75 + Math.random() / 2);
  const asked = error instanceof BrokerRefused ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(asked, waitMs);
}

/** Whether the same call may go well later. */
export function isPassing(error: unknown): boolean {
  if (error instanceof BrokerUnreachable) return true;
  return error instanceof BrokerRefused && (error.status === 429 || error.status >= 500);
}

/** The name of a subscription that only this consumer has. Throws a RangeError where the group leaves no room for it. */
export function groupOfOwn(group: string): string {
  const own = `${group}-${randomBytes(6).toString('hex')}`;
  if (!groupPattern.test(own)) throw new RangeError(`'${group}' is too long for broadcasting: at most 51 characters`);
  return own;
}

/** What a consumer asks of its subscription. @param expiresAfterIdleMs of one of its own, where the consumer does not say */
export function settingsOf(
  mode: 'pull' | 'queue',
  subscription: ConsumedSubscription,
  broadcasting: boolean | { expiresAfterIdleMs: number },
  expiresAfterIdleMs: number,
): SubscriptionSettings {
  const settings: SubscriptionSettings = { ...subscription, mode };
  if (broadcasting === true) settings.expiresAfterIdleMs = expiresAfterIdleMs;
  else if (broadcasting !== false) settings.expiresAfterIdleMs = broadcasting.expiresAfterIdleMs;
  return settings;
}

/**
 * Creates or replaces a subscription; tries again until the deadline (monotonic clock) while no broker answers. Rejects
 * with what the last try met, at once for a refusal that would be repeated. Resolves without it when the signal is aborted.
 * @param waiting told once what the first try met, when others follow
 */
export async function subscribeFirmly(
  client: HalfboxClient,
  { topic, group }: { topic: string; group: string },
  settings: SubscriptionSettings,
  deadline: number,
  signal: AbortSignal,
  waiting: (error: Error) => void,
): Promise<void> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await client.putSubscription(topic, group, settings, { signal });
    } catch (error) {
      if (signal.aborted) return;
      const waitMs = retryWaitMs(failures, error);
      if (!isPassing(error) || performance.now() + waitMs > deadline) throw error;
      if (failures === 1) waiting(error as Error);
      // Ends early, and well, when the consumer is stopped: the next try finds that out.
      await wait(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
