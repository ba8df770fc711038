import type { Body, ConsumerEntry } from '../facts.js';
import type { Journal } from '../journal.js';

/** A delivery as any kind of consumer gets it. */
export interface Delivered {
  id: string;
  attempt: number;
  shard?: number;
  offset?: number;
  orderingKey?: string;
  body?: unknown;
  asked?: number;
}

/** Writes down that a consumer has a message, takes a little time, and says (having written that down too) whether it fails. */
export async function handle(
  journal: Journal<ConsumerEntry>,
  group: string,
  { id, attempt, shard, offset, orderingKey, body, asked }: Delivered,
  work: () => Promise<unknown> = async () => undefined,
): Promise<'ack' | 'nack'> {
  journal.write({ kind: 'got', group, id, attempt, shard, offset, orderingKey, asked });
  if (Math.random() < 0.1) await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
  const how = attempt <= (body as Body).fails ? 'nack' : 'ack';
  if (how === 'ack') await work();
  journal.write({ kind: 'handled', group, id, attempt, how });
  return how;
}
