import type { SettingOptions } from '../../../src/config/settings.js';
import { RunningBroker } from '../../api/running-broker.js';

/** A message as another system gets it. */
export interface Forwarded {
  id: string;
  topic: string;
  key?: string;
  orderingKey?: string;
  attempt: number;
  body: { order: number };
}

/** A broker whose subscription `orders/out` goes to the pattern `orders` of this transport, retrying quickly. */
export async function forwardingBroker(
  transport: NonNullable<SettingOptions['microservices']>[string],
): Promise<RunningBroker> {
  const broker = await RunningBroker.start({ microservices: { bus: transport } });
  const answer = await broker.put('/v1/subscriptions/orders/out', {
    mode: 'forward',
    forward: { transport: 'bus', pattern: 'orders' },
    maxAttempts: 100,
    retry: { fixedMs: 200 },
  });
  expect([answer.status, answer.body.forward]).toEqual([200, { transport: 'bus', pattern: 'orders' }]);
  return broker;
}

/** Sends orders of these numbers, in order, spread over ordering keys; answers their ids. */
export async function sendOrders(broker: RunningBroker, from: number, to: number, keys = 4): Promise<string[]> {
  const messages = Array.from({ length: to - from }, (_, index) => ({
    id: `order-${from + index}`,
    topic: 'orders',
    key: `k${from + index}`,
    orderingKey: `customer-${(from + index) % keys}`,
    body: { order: from + index },
  }));
  const { status } = await broker.post('/v1/messages', { messages });
  expect(status).toBe(201);
  return messages.map(({ id }) => id);
}

/** Orders per key as they came first; a repeat after a lost confirmation does not count. */
export function firstByKey(received: readonly Forwarded[]): Map<string, number[]> {
  const seen = new Set<string>();
  const byKey = new Map<string, number[]>();
  for (const { id, orderingKey = '', body } of received) {
    if (seen.has(id)) continue;
    seen.add(id);
    byKey.set(orderingKey, [...(byKey.get(orderingKey) ?? []), body.order]);
  }
  return byKey;
}

export function expectInOrder(received: readonly Forwarded[]): void {
  for (const orders of firstByKey(received).values()) expect(orders).toEqual([...orders].sort((a, b) => a - b));
}

/** The counts of the subscription, as an operator sees them. */
export async function countsOf(broker: RunningBroker): Promise<{ backlog: number; retrying: number; dead: number }> {
  const { body } = await broker.get('/v1/subscriptions/orders/out');
  return body as { backlog: number; retrying: number; dead: number };
}

/** How a message stands with the subscription. */
export async function deliveryOf(broker: RunningBroker, id: string): Promise<{ state: string; error?: string }> {
  const { body } = await broker.get(`/v1/messages/${id}`);
  return body.deliveries[0] as { state: string; error?: string };
}
