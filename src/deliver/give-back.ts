import { bodyBytes } from '../message/message.js';
import type { Delivery, OwnedSubscription } from '../relay/owned-subscription.js';

/** A delivery that was taken and that no consumer has seen yet. */
export interface Taken<Subscription extends OwnedSubscription = OwnedSubscription> {
  subscription: Subscription;
  delivery: Delivery;
}

/** They are due again at once, and no attempt is counted. */
export async function giveBack(taken: Taken[]): Promise<void> {
  const bySubscription = new Map<OwnedSubscription, Delivery[]>();
  for (const { subscription, delivery } of taken) {
    const some = bySubscription.get(subscription);
    if (some === undefined) bySubscription.set(subscription, [delivery]);
    else some.push(delivery);
  }
  await Promise.all(
    Array.from(bySubscription, ([subscription, deliveries]) =>
      subscription.settle(deliveries.map((delivery) => ({ ...delivery, result: { kind: 'release' } }))),
    ),
  );
}

/** Keeps those whose bodies have so many bytes together, from the first on and at least one; gives the others back. */
export async function keepWithin<Subscription extends OwnedSubscription>(
  bytesMax: number,
  taken: Taken<Subscription>[],
): Promise<Taken<Subscription>[]> {
  let bytes = 0;
  const beyond = taken.findIndex(({ delivery }, index) => {
    bytes += bodyBytes(delivery.message.body);
    return bytes > bytesMax && index > 0;
  });
  if (beyond < 0) return taken;
  await giveBack(taken.slice(beyond));
  return taken.slice(0, beyond);
}
