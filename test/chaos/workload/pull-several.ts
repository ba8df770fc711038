import type { ConsumerEntry, SubscriptionName } from '../facts.js';
import type { Journal } from '../journal.js';
import type { BrokerHttp } from './http.js';
import { handleAll, visibilityMs, type Received } from './pull.js';

interface ReceivedOfSeveral {
  deliveries: (Received & { topic: string; group: string })[];
  notServed: unknown[];
}

/** Pulls several subscriptions in one call for ever. Those that the broker asked does not have are left to those that pull each alone. */
export async function pullSeveral(
  http: BrokerHttp,
  journal: Journal<ConsumerEntry>,
  groups: readonly SubscriptionName[],
): Promise<never> {
  const subscriptions = groups.map((name) => {
    const [topic, group] = name.split('/');
    return { topic, group };
  });
  for (;;) {
    const asked = Date.now();
    const request = { subscriptions, max: 16, visibilityMs, waitMs: 500 };
    const answer = await http.post('/v1/deliveries/receive', request).catch(() => undefined);
    const { deliveries, notServed } = (
      answer?.status === 200 ? answer.body : { deliveries: [], notServed: [''] }
    ) as ReceivedOfSeveral;
    await Promise.all(
      groups.map((name) => {
        const own = deliveries.filter(({ topic, group }) => `${topic}/${group}` === name);
        return handleAll(http, journal, name, asked, own);
      }),
    );
    if (notServed.length > 0) await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
