import type { Body, IntendedMessage, ProducerEntry } from '../facts.js';
import type { Random } from '../random.js';
import { alwaysFails } from '../topology.js';

/** Something that the producer does again and again. */
export interface Operation {
  name: string;
  /** How often, against the others. */
  weight: number;
  run(): Promise<void>;
}

/** Where orders come from and are written down. */
export interface Orders {
  random: Random;
  write(entry: ProducerEntry): void;
  next(): string;
}

export interface OutgoingMessage extends IntendedMessage {
  body: Body;
  delayMs?: number;
}

const keys = ['a', 'b', 'c', 'd', 'e', 'f'];

/** Messages of an order, with ids that its journal names: most plain, some with a key, some delayed, some that consumers fail. */
export function messagesOf(
  orders: Orders,
  order: string,
  count: number,
  given: Partial<OutgoingMessage> = {},
): OutgoingMessage[] {
  const { random } = orders;
  return Array.from({ length: count }, (_, index) => {
    const message: OutgoingMessage = {
      id: `${order}-${index}`,
      topic: 'orders',
      body: { order, fails: failsOf(random) },
      ...given,
    };
    if (message.orderingKey === undefined && random.percent(40)) message.orderingKey = random.pick(keys);
    else if (message.orderingKey === undefined && random.percent(15)) message.delayMs = random.integer(20, 300);
    if (random.percent(5)) message.tag = 'rare';
    return message;
  });
}

function failsOf(random: Random): number {
  if (random.percent(2)) return alwaysFails;
  return random.percent(10) ? random.integer(1, 2) : 0;
}

export function intended({ id, topic, tag, orderingKey }: OutgoingMessage): IntendedMessage {
  return { id, topic, ...(tag !== undefined && { tag }), ...(orderingKey !== undefined && { orderingKey }) };
}
