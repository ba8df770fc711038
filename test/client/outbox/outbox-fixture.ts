import type { DataSource } from 'typeorm';
import { HalfboxClient, HttpCaller, type DeliveredMessage, type Message } from '../../../src/client/index.js';
import { OutboxForwarder, type OutboxForwarderOptions } from '../../../src/client/local/outbox/forwarder.js';
import type { Outbox } from '../../../src/client/local/outbox/outbox.js';
import { RunningBroker } from '../../api/running-broker.js';
import { until } from '../../queue/until.js';

/** A broker, a client of it, and the forwarders that a test has made. */
export class Forwarding {
  readonly client: HalfboxClient;
  readonly #forwarders: OutboxForwarder[] = [];
  #named = 0;

  private constructor(readonly broker: RunningBroker) {
    this.client = new HalfboxClient(new HttpCaller({ url: broker.url }));
  }

  static async start(): Promise<Forwarding> {
    return new Forwarding(await RunningBroker.start());
  }

  /** A topic of its own, with a subscription that gets all of it. */
  async topic(settings: object = {}): Promise<string> {
    const topic = `topic-${(this.#named += 1)}`;
    await this.broker.put(`/v1/topics/${topic}`, settings);
    await this.client.putSubscription(topic, 'all', { mode: 'pull' });
    return topic;
  }

  /** A forwarder that is stopped with the test. */
  forwarder(dataSource: DataSource, options: Partial<OutboxForwarderOptions> = {}): OutboxForwarder {
    const forwarder = new OutboxForwarder({ dataSource, sender: this.client, leaseMs: 2_000, ...options });
    this.#forwarders.push(forwarder);
    return forwarder;
  }

  async stopForwarders(): Promise<void> {
    await Promise.all(this.#forwarders.splice(0).map((forwarder) => forwarder.stop()));
  }

  /** The messages of a topic, in the order of their shards' logs, once there are so many; fails when more come. */
  async received(topic: string, count: number): Promise<DeliveredMessage[]> {
    const all: DeliveredMessage[] = [];
    for (let waitMs = 5_000; ;) {
      if (all.length >= count) waitMs = 0;
      const { deliveries } = await this.client.receive(topic, 'all', { max: 256, waitMs });
      if (deliveries.length === 0) break;
      all.push(...deliveries.map(({ message }) => message));
      await this.client.ack(topic, 'all', { receipts: deliveries.map(({ receipt }) => receipt) });
    }
    expect(all).toHaveLength(count);
    return all.sort((a, b) => a.shard - b.shard || a.offset - b.offset);
  }

  async stop(): Promise<void> {
    await this.stopForwarders();
    await this.client.close();
    await this.broker.stop();
  }
}

/** Adds messages in one transaction. */
export async function addAll(outbox: Outbox, dataSource: DataSource, messages: readonly Message[]): Promise<string[]> {
  const places = await dataSource.transaction((manager) => outbox.add(manager, messages as never));
  return (places as unknown as { id: string }[]).map(({ id }) => id);
}

/** Runs until nothing waits any more. */
export async function drain(forwarder: OutboxForwarder, now = Date.now()): Promise<void> {
  while (await forwarder.runOnce(now));
}

export async function untilEmpty(outbox: Outbox): Promise<void> {
  await until('empty outbox', async () => (await outbox.counts()).waiting === 0, 60_000);
}

/** Bodies by ordering key, in their order; those without one, which have no order, by their text. */
export function byKey(messages: readonly DeliveredMessage[]): Record<string, unknown[]> {
  const bodies: Record<string, unknown[]> = {};
  for (const { orderingKey = '', body } of messages) (bodies[orderingKey] ??= []).push(body);
  bodies['']?.sort();
  return bodies;
}

/** `count` messages over keys in turn, and what each key must get. */
export function numbered(topic: string, count: number, keys: number): { messages: Message[]; expected: object } {
  const messages = Array.from({ length: count }, (_, n) => ({ topic, orderingKey: `k${n % keys}`, body: n }));
  const expected: Record<string, number[]> = {};
  for (const { orderingKey, body } of messages) (expected[orderingKey] ??= []).push(body);
  return { messages, expected };
}
