import type { Clock } from '../../src/message/clock.js';
import type { MessageRef } from '../../src/message/ref.js';
import type { SubscriptionConfig } from '../../src/message/subscription.js';
import type { Delivery, DeliveryResult } from '../../src/relay/owned-subscription.js';
import { Relay, type RelayOptions } from '../../src/relay/relay.js';
import type { SubscriptionRelay } from '../../src/relay/subscription-relay.js';
import { silentLogger } from '../../src/runtime/logger.js';
import type { LaneCursor, RetryEntry, Settlement } from '../../src/store/lane-store.js';
import {
  appendChunk,
  claimOne,
  freshName,
  insertTopic,
  pullConfig,
  retryAt,
  settlement,
} from '../store/conformance/log-fixture.js';
import type { TestStore } from '../store/databases.js';

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  constructor(private time = 1_000_000) {}

  now(): number {
    return this.time;
  }

  advance(ms: number): number {
    this.time += ms;
    return this.time;
  }
}

export interface World {
  clock: ManualClock;
  opened: TestStore;
}

/** A node that runs nothing by itself: tests call `runOnce`. */
export async function startNode(
  { clock, opened }: World,
  id: string,
  options: Partial<RelayOptions> = {},
): Promise<Relay> {
  const relay = new Relay({
    store: opened.store,
    clock,
    logger: silentLogger,
    node: { id, url: `http://${id}`, version: '1', startedAt: clock.now() },
    consumers: () => null,
    // The lease is renewed by `runOnce`, whenever the test moves the clock; only its own tests let it run out.
    monotonicNow: () => 0,
    random: () => 0.5,
    ...options,
  });
  await relay.runOnce(clock.now());
  return relay;
}

/** One subscription of a topic of its own, and what tests do to it. */
export class Scene {
  readonly topic = freshName('orders');
  readonly group = 'billing';

  constructor(readonly world: World) {}

  static async make(world: World, config: Partial<SubscriptionConfig> = {}, shards = 1): Promise<Scene> {
    const scene = new Scene(world);
    await insertTopic(world.opened.database, { name: scene.topic, shards });
    await scene.configure(config);
    return scene;
  }

  async configure(config: Partial<SubscriptionConfig>): Promise<void> {
    const { opened, clock } = this.world;
    const full = pullConfig({ retry: { fixedMs: 1_000 }, ...config });
    await opened.store.subscriptions.put(this.topic, this.group, full, 'earliest', undefined, clock.now());
  }

  /** Appends messages; one named `a1` has the ordering key `a`, one that begins with a digit has none. */
  async append(names: string[], changes: Partial<MessageRef> = {}, shard = 0): Promise<void> {
    const refs = names.map((name): MessageRef => {
      const ref: MessageRef = { id: `${this.topic}:${name}`, ...changes };
      if (/^[a-z]/.test(name)) ref.keyHash = name[0]!;
      return ref;
    });
    const { opened, clock } = this.world;
    for (let start = 0; start < refs.length; start += 500) {
      await appendChunk(opened.database, this.topic, shard, refs.slice(start, start + 500), clock.now());
    }
  }

  /** The relay on a node that owns it, with what was appended so far known to it. */
  async on(node: Relay): Promise<SubscriptionRelay> {
    await node.runOnce(this.world.clock.now());
    const relay = node.owned(this.topic, this.group);
    if (relay === null) throw new Error('the node does not own the subscription');
    for (const { shard, nextOffset } of await this.world.opened.store.lanes.heads([this.topic])) {
      relay.grown(shard, nextOffset);
    }
    return relay;
  }

  name({ message }: Delivery): string {
    return message.id.slice(this.topic.length + 1);
  }

  /** Takes until nothing more is given, as names. */
  async takeAll(relay: SubscriptionRelay, claimMs = 30_000, max = 100): Promise<Delivery[]> {
    const all: Delivery[] = [];
    for (;;) {
      const taken = await relay.take(max, claimMs);
      if (taken.length === 0) return all;
      all.push(...taken);
    }
  }

  async takeNames(relay: SubscriptionRelay): Promise<string[]> {
    return (await this.takeAll(relay)).map((delivery) => this.name(delivery));
  }

  settle(
    relay: SubscriptionRelay,
    deliveries: Delivery[],
    result: DeliveryResult = { kind: 'ack' },
  ): Promise<string[]> {
    return relay.settle(deliveries.map((delivery) => ({ ...delivery, result })));
  }

  /** Moves the clock and does what is due then. */
  async later(relay: SubscriptionRelay, ms: number): Promise<void> {
    await relay.runOnce(this.world.clock.advance(ms));
  }

  /** The cursors as stored, read by claiming them as another node would: the present owner is fenced. */
  async seize(): Promise<LaneCursor[]> {
    const { opened, clock } = this.world;
    const found = await opened.store.subscriptions.get(this.topic, this.group);
    const { epoch } = found!.subscription;
    const claimed = await claimOne(opened.store.lanes, this.topic, this.group, epoch, 'thief', clock.now() + 1_000_000);
    await opened.store.lanes.release(this.topic, this.group, epoch + 1);
    return claimed!.cursors;
  }

  /** An owner that is gone left a retry behind, so that a takeover has something to read. */
  leaveRetry(): Promise<void> {
    const retry = retryAt(0, 0, { dueAt: Number.MAX_SAFE_INTEGER });
    return this.leave({ retriesPut: [retry] }, 1);
  }

  /** An owner that is gone had settled up to there, and left these. */
  async leave(changes: Partial<Settlement>, settledOffset = 0): Promise<void> {
    const { opened, clock } = this.world;
    const { lanes, subscriptions } = opened.store;
    const { topic, group } = this;
    const { epoch } = (await subscriptions.get(topic, group))!.subscription;
    await claimOne(lanes, topic, group, epoch, 'gone', clock.now());
    const left = settlement({ topic, group, epoch: epoch + 1 }, { shard: 0, settledOffset }, changes);
    await lanes.settle([left], clock.now());
  }

  async retries(): Promise<RetryEntry[]> {
    const { lanes } = this.world.opened.store;
    const due = await lanes.dueRetries(this.topic, this.group, Number.MAX_SAFE_INTEGER, 1_000);
    return [...due, ...(await lanes.givenRetries(this.topic, this.group, 1_000))];
  }

  /** How many deliveries wait in the retry store for their key. */
  async waitingInStore(): Promise<number> {
    const [found] = await this.world.opened.database.read({
      sql: 'SELECT COUNT(*) AS waiting FROM halfbox_retry WHERE topic = ? AND state = 2',
      params: [this.topic],
    });
    return Number(found!.rows[0]!['waiting']);
  }

  async deadLetters(): Promise<{ name: string; attempts: number; error: string }[]> {
    const { items } = await this.world.opened.store.deadLetters.list(
      { topic: this.topic, group: this.group },
      undefined,
      500,
    );
    return items.map(({ messageId, attempts, error }) => ({
      name: messageId.slice(this.topic.length + 1),
      attempts,
      error,
    }));
  }
}
