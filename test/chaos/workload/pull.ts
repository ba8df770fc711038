import type { ConsumerEntry, SubscriptionName } from '../facts.js';
import type { Journal } from '../journal.js';
import { handle, type Delivered } from './handling.js';
import type { BrokerHttp } from './http.js';

export interface Received {
  receipt: string;
  attempt: number;
  message: Delivered;
}

interface SettleAnswer {
  results?: ({ ok: true } | { problem: { type: string } })[];
}

/** The shortest that the contract allows: what was on its way to a consumer at a kill comes back after it. */
export const visibilityMs = 1_000;

/** Pulls a subscription over plain HTTP for ever, and writes down what the broker answers to each outcome. */
export async function pull(http: BrokerHttp, journal: Journal<ConsumerEntry>, group: SubscriptionName): Promise<never> {
  const path = `/v1/subscriptions/${group}`;
  for (;;) {
    const asked = Date.now();
    const answer = await http.post(`${path}/receive`, { max: 16, visibilityMs, waitMs: 500 }).catch(() => undefined);
    if (answer?.status !== 200) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      continue;
    }
    const deliveries = answer.body.deliveries as Received[];
    await handleAll(http, journal, group, asked, deliveries);
  }
}

/** Handles what was received of one subscription, and tells the broker how each ended. */
export async function handleAll(
  http: BrokerHttp,
  journal: Journal<ConsumerEntry>,
  group: SubscriptionName,
  asked: number,
  deliveries: Received[],
): Promise<void> {
  const ended = { ack: [] as Received[], nack: [] as Received[] };
  await Promise.all(
    deliveries.map(async (delivery) => {
      const { message, attempt } = delivery;
      ended[await handle(journal, group, { ...message, attempt, asked })].push(delivery);
    }),
  );
  await Promise.all((['ack', 'nack'] as const).map((how) => tell(http, journal, group, how, ended[how])));
}

/** Once: where no answer comes, the visibility timeout decides. */
async function tell(
  http: BrokerHttp,
  journal: Journal<ConsumerEntry>,
  group: SubscriptionName,
  how: 'ack' | 'nack',
  ended: Received[],
): Promise<void> {
  if (ended.length === 0) return;
  const receipts = ended.map(({ receipt }) => receipt);
  const [topic, name] = group.split('/');
  // Both ways to acknowledge are used.
  const together = how === 'ack' && receipts.length % 2 === 0;
  const answer = await (
    together
      ? http.post('/v1/deliveries/ack', { deliveries: receipts.map((receipt) => ({ topic, group: name, receipt })) })
      : http.post(`/v1/subscriptions/${group}/${how}`, { receipts })
  ).catch(() => undefined);
  const results = answer?.status === 200 ? (answer.body as SettleAnswer).results : undefined;
  ended.forEach(({ message: { id }, attempt }, index) => {
    const result = results?.[index];
    journal.write({ kind: 'told', group, id, attempt, how, ...(result !== undefined && { ok: 'ok' in result }) });
  });
}
