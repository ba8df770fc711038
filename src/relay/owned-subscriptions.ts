import { reached } from '../message/step.js';
import { eachLimited } from '../runtime/each-limited.js';
import type { SigningSecrets } from '../store/catalog-store.js';
import type { ClaimedSubscription, FreeLease } from '../store/lane-store.js';
import type { Subscription } from '../store/subscription-store.js';
import type { ConsumerFactory, SubscriptionConsumer } from './owned-subscription.js';
import { nameOf } from './rendezvous.js';
import type { RelayParts } from './relay-parts.js';
import { SubscriptionRelay, type RelayHost } from './subscription-relay.js';

/** What follows when this node's subscriptions change. */
export interface OwnershipListener {
  wakeAt(relay: SubscriptionRelay, at: number): void;
  claimed(relay: SubscriptionRelay): void;
  /** It is owned here no longer, and may be free to be claimed. */
  gone(relay: SubscriptionRelay): void;
}

/** A lease to be given back; the epoch fences a later one. */
export interface OwedLease {
  topic: string;
  group: string;
  epoch: number;
}

/** The row of a subscription. */
interface FoundSubscription {
  subscription: Subscription;
  secrets: SigningSecrets | null;
}

/** The subscriptions that this node owns, with their consumers. */
export class OwnedSubscriptions implements RelayHost {
  readonly #byName = new Map<string, SubscriptionRelay>();
  readonly #byTopic = new Map<string, Set<SubscriptionRelay>>();
  readonly #consumers = new Map<SubscriptionRelay, SubscriptionConsumer>();
  /** Consumers that are being stopped, by the name of their subscription. */
  readonly #ending = new Map<string, Promise<void>>();
  readonly #releasing = new Map<SubscriptionRelay, Promise<void>>();
  readonly #claiming = new Set<string>();
  readonly #owed = new Map<string, OwedLease>();
  /** Looks at rows of owned subscriptions so far, and the youngest whose answer counted. */
  #looks = 0;
  readonly #lookedAt = new WeakMap<SubscriptionRelay, number>();

  constructor(
    private readonly parts: RelayParts,
    private readonly nodeId: string,
    private readonly consumerFor: ConsumerFactory,
    private readonly listener: OwnershipListener,
  ) {}

  get size(): number {
    return this.#byName.size;
  }

  /** Null also for one that was handed over and is just being given back: nobody is served by it any more. */
  get(topic: string, group: string): SubscriptionRelay | null {
    const relay = this.#byName.get(nameOf({ topic, group }));
    return relay === undefined || relay.ended ? null : relay;
  }

  all(): IterableIterator<SubscriptionRelay> {
    return this.#byName.values();
  }

  topics(): IterableIterator<string> {
    return this.#byTopic.keys();
  }

  ofTopic(topic: string): Iterable<SubscriptionRelay> {
    return this.#byTopic.get(topic) ?? [];
  }

  countOf(topic: string): number {
    return this.#byTopic.get(topic)?.size ?? 0;
  }

  /** Whether the subscription is owned here, or is just being claimed. */
  has(topic: string, group: string): boolean {
    const name = nameOf({ topic, group });
    return this.#byName.has(name) || this.#claiming.has(name);
  }

  wakeAt(relay: SubscriptionRelay, at: number): void {
    this.listener.wakeAt(relay, at);
  }

  /**
   * Claims free subscriptions together and starts to deliver them; those that are owned or just being claimed here are left out.
   * Throws what the store throws, and then nothing is known to be claimed.
   * @returns how many; of the others another node was faster, or what their owner left could not be read: they are given back
   */
  async claim(free: readonly Subscription[]): Promise<number> {
    const wanted = new Map<string, FreeLease>();
    for (const { topic, group, epoch } of free) {
      if (!this.has(topic, group)) wanted.set(nameOf({ topic, group }), { topic, group, epoch });
    }
    if (wanted.size === 0) return 0;
    for (const name of wanted.keys()) this.#claiming.add(name);
    let taken = 0;
    try {
      const now = this.parts.clock.now();
      const claimed = await this.parts.store.claim([...wanted.values()], this.nodeId, now);
      const mine = claimed.filter((each) => each !== null);
      await eachLimited(mine, this.parts.settings.claimConcurrency, async (each) => {
        if (await this.#takeOver(each, now)) taken += 1;
      });
    } finally {
      for (const name of wanted.keys()) this.#claiming.delete(name);
    }
    return taken;
  }

  /** Gives a subscription back as planned: its consumer finishes what it has in hand, and nothing is delivered twice. */
  release(relay: SubscriptionRelay): Promise<void> {
    let releasing = this.#releasing.get(relay);
    if (releasing === undefined) {
      releasing = this.#release(relay).finally(() => this.#releasing.delete(relay));
      this.#releasing.set(relay, releasing);
    }
    return releasing;
  }

  /** The store says that this node owns it at that epoch, but it does not: to be given back at the next round. */
  owe({ topic, group, epoch }: OwedLease): void {
    this.#owed.set(nameOf({ topic, group }), { topic, group, epoch });
  }

  async releaseOwed(): Promise<void> {
    for (const [name, { topic, group, epoch }] of this.#owed) {
      await this.parts.store.release(topic, group, epoch);
      this.#owed.delete(name);
    }
  }

  /** Another node has it, or it was deleted or moved: ends at once. Resolves when its consumer has ended too; never rejects. */
  async lost(relay: SubscriptionRelay): Promise<void> {
    relay.drop();
    if (!this.#remove(relay)) return;
    const { topic, group } = relay;
    this.parts.logger.info({ topic, group, epoch: relay.epoch }, 'this node no longer owns a subscription');
    const ended = this.#stopConsumer(relay);
    this.parts.events.emit('released', { topic, group, planned: false });
    this.listener.gone(relay);
    await ended;
  }

  /** An ephemeral subscription was deleted: it ends, and only when its consumer writes nothing any more is that told. */
  async expired(topic: string, group: string): Promise<void> {
    const relay = this.get(topic, group);
    if (relay !== null) await this.lost(relay);
    this.parts.events.emit('removed', { topic, group });
  }

  /**
   * Compares an owned subscription with its row as it is now: takes over what was changed, or ends where it is another's.
   * Answers of the store may overtake each other: one whose question is older than that of the last is put aside, since whatever
   * that question was about, the younger one has found too. Throws what `read` throws.
   */
  async reconcile(relay: SubscriptionRelay, read: () => Promise<FoundSubscription | null>): Promise<void> {
    const look = ++this.#looks;
    const found = await read();
    if (look < (this.#lookedAt.get(relay) ?? 0)) return;
    this.#lookedAt.set(relay, look);
    // Another node may have removed it as idle; what this one's consumer left is known here only.
    if (found === null && relay.config.expiresAfterIdleMs !== undefined) void this.expired(relay.topic, relay.group);
    else if (found === null || found.subscription.epoch !== relay.epoch) void this.lost(relay);
    else await relay.changed(found.subscription, found.secrets);
  }

  /** Goes on where the earlier owner of a claimed subscription ended. False where that failed: it is given back. */
  async #takeOver(claimed: ClaimedSubscription, now: number): Promise<boolean> {
    reached('lease.acquired');
    const relay = new SubscriptionRelay(claimed, this.parts, this, now);
    const { topic, group, epoch } = relay;
    try {
      const inherited = await relay.recover();
      reached('lease.recovered');
      this.#add(nameOf({ topic, group }), relay);
      this.parts.events.emit('claimed', { topic, group, epoch, inherited });
      return true;
    } catch (error) {
      this.parts.logger.warn({ err: error, topic, group }, 'could not take over a subscription; it is tried again');
      relay.drop();
      this.owe(relay);
      return false;
    }
  }

  #add(name: string, relay: SubscriptionRelay): void {
    this.#byName.set(name, relay);
    const ofTopic = this.#byTopic.get(relay.topic);
    if (ofTopic === undefined) this.#byTopic.set(relay.topic, new Set([relay]));
    else ofTopic.add(relay);
    this.listener.claimed(relay);
    const consumer = this.consumerFor(relay);
    if (consumer === null) return;
    this.#consumers.set(relay, consumer);
    // Where this node had it before, the consumer of that time ends first.
    const started = (this.#ending.get(name) ?? Promise.resolve()).then(() => consumer.start());
    started.catch((error: unknown) => {
      const { topic, group } = relay;
      this.parts.logger.error({ err: error, topic, group }, 'the consumer of a subscription could not start');
      void this.release(relay).catch(() => {
        void this.lost(relay);
        this.owe(relay);
      });
    });
  }

  /** False when it was not there any more. */
  #remove(relay: SubscriptionRelay): boolean {
    const name = nameOf(relay);
    if (this.#byName.get(name) !== relay) return false;
    this.#byName.delete(name);
    const ofTopic = this.#byTopic.get(relay.topic);
    ofTopic?.delete(relay);
    if (ofTopic?.size === 0) this.#byTopic.delete(relay.topic);
    return true;
  }

  async #release(relay: SubscriptionRelay): Promise<void> {
    const { topic, group, epoch } = relay;
    relay.stopGiving();
    await this.#stopConsumer(relay);
    await relay.handOver();
    await this.parts.store.release(topic, group, epoch);
    reached('lease.released');
    if (!this.#remove(relay)) return;
    this.parts.events.emit('released', { topic, group, planned: true });
    this.listener.gone(relay);
  }

  async #stopConsumer(relay: SubscriptionRelay): Promise<void> {
    const consumer = this.#consumers.get(relay);
    if (consumer === undefined) return;
    this.#consumers.delete(relay);
    const { topic, group } = relay;
    const name = nameOf({ topic, group });
    const ending = consumer.stop().catch((error: unknown) => {
      this.parts.logger.warn({ err: error, topic, group }, 'the consumer of a subscription did not stop well');
    });
    this.#ending.set(name, ending);
    await ending;
    if (this.#ending.get(name) === ending) this.#ending.delete(name);
  }
}
