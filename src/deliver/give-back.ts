import { bodyBytes } from '../message/message.js';
import type { Delivery, OwnedSubscription } from '../relay/owned-subscription.js';
import type { Logger } from '../runtime/logger.js';

/** A delivery that was taken and that no consumer has seen yet. */
export interface Taken {
  subscription: OwnedSubscription;
  delivery: Delivery;
}

/** They are due again at once, and no attempt is counted. Never rejects: where it fails their claims run out, and that is logged. */
export async function giveBack(taken: Taken[], logger: Logger): Promise<void> {
  const bySubscription = new Map<OwnedSubscription, Delivery[]>();
  for (const { subscription, delivery } of taken) {
    const some = bySubscription.get(subscription);
    if (some === undefined) bySubscription.set(subscription, [delivery]);
    else some.push(delivery);
  }
  const release = async (subscription: OwnedSubscription, deliveries: Delivery[]): Promise<void> => {
    const { topic, group } = subscription;
    try {
      await subscription.settle(deliveries.map((delivery) => ({ ...delivery, result: { kind: 'release' } })));
    } catch (error) {
      logger.warn({ err: error, topic, group, count: deliveries.length }, 'could not give back what was taken');
    }
  };
  await Promise.all(Array.from(bySubscription, ([subscription, deliveries]) => release(subscription, deliveries)));
}

/** Those whose bodies have so many bytes together, from the first on and at least one; and the others. */
export function splitAt<One extends Taken>(bytesMax: number, taken: One[]): [within: One[], beyond: One[]] {
  let bytes = 0;
  const beyond = taken.findIndex(({ delivery }, index) => {
    bytes += bodyBytes(delivery.message.body);
    return bytes > bytesMax && index > 0;
  });
  return beyond < 0 ? [taken, []] : [taken.slice(0, beyond), taken.slice(beyond)];
}
