import type { Clock } from '../message/clock.js';
import type { StoredMessage } from '../message/message.js';
import type { LogChunk } from '../message/ref.js';
import { Events } from '../runtime/events.js';
import type { Logger } from '../runtime/logger.js';
import { Loop } from '../runtime/loop.js';
import type { LaneStore } from '../store/lane-store.js';
import type { NodeRow, NodeStore } from '../store/node-store.js';
import type { SubscriptionStore } from '../store/subscription-store.js';
import { Assignment } from './assignment.js';
import { ChangePoll } from './change-poll.js';
import { DueLoop } from './due-loop.js';
import { HeadPoll } from './head-poll.js';
import { IdleSubscriptions } from './idle-subscriptions.js';
import { Locator, type Located } from './locator.js';
import { MessageReader } from './message-reader.js';
import { NodeLease } from './node-lease.js';
import type { ConsumerFactory } from './owned-subscription.js';
import { OwnedSubscriptions } from './owned-subscriptions.js';
import { ReadAhead } from './read-ahead.js';
import { RecentMessages } from './recent-messages.js';
import type { RelayEvents } from './relay-events.js';
import { relayDefaults, type RelaySettings } from './relay-settings.js';
import { SettleGroup } from './settle-group.js';
import type { SubscriptionRelay } from './subscription-relay.js';
import { UnusedWindows } from './unused-windows.js';
import { WakeOut } from './wake-out.js';
import type { Wake, WakeChannel } from './wake-channel.js';

export interface RelayOptions {
  store: { lanes: LaneStore; subscriptions: SubscriptionStore; nodes: NodeStore };
  /** The store's time (`StoreClock`). */
  clock: Clock;
  logger: Logger;
  /** This node; the id is new for each process. */
  node: Omit<NodeRow, 'expiresAt'>;
  consumers: ConsumerFactory;
  settings?: Partial<RelaySettings>;
  /** Tells other nodes of what was appended and changed here; without it they poll more often. */
  wakeChannel?: WakeChannel;
  /** For jitter: 0 ≤ value < 1. */
  random?: () => number;
  /** Milliseconds of a clock that is never set. */
  monotonicNow?: () => number;
}

/** The relay of one node: shares the subscriptions with the other nodes and delivers those that it owns. */
export class Relay {
  readonly events: Events<RelayEvents>;
  readonly #settings: RelaySettings;
  readonly #recent: RecentMessages;
  readonly #lease: NodeLease;
  readonly #owned: OwnedSubscriptions;
  readonly #assignment: Assignment;
  readonly #headPoll: HeadPoll;
  readonly #changePoll: ChangePoll;
  readonly #idle: IdleSubscriptions;
  readonly #unusedWindows: UnusedWindows;
  readonly #due: DueLoop;
  readonly #wakeOut: WakeOut;
  readonly #locator: Locator;
  readonly #loops: Record<'lease' | 'assignment' | 'heads' | 'changes' | 'idle' | 'windows', Loop>;
  #unlisten: () => void = () => {};
  #stopping: Promise<void> | undefined;

  constructor(private readonly options: RelayOptions) {
    const { store, clock, logger, node } = options;
    const settings = { ...relayDefaults, ...options.settings };
    this.#settings = settings;
    this.events = new Events((error) => logger.error({ err: error }, 'a listener of the relay failed'));
    this.#recent = new RecentMessages(settings, clock);
    this.#lease = new NodeLease(store.nodes, node, settings.leaseMs, clock, options.monotonicNow);
    const readAhead = new ReadAhead(settings);
    const parts = {
      store: store.lanes,
      messages: new MessageReader(this.#recent, store.lanes, (topic) => this.#owned.countOf(topic)),
      settleGroup: new SettleGroup(store.lanes, clock, settings),
      readAhead,
      settings,
      clock,
      logger,
      events: this.events,
      random: options.random ?? Math.random,
      leaseHolds: () => this.#lease.holds,
    };
    this.#due = new DueLoop(settings, clock, logger);
    this.#owned = new OwnedSubscriptions(parts, node.id, options.consumers, {
      wakeAt: (relay, at) => this.#due.at(relay, at),
      claimed: (relay) => {
        this.#headPoll.want([relay.topic]);
        this.#loops.heads.wake();
      },
      gone: (relay) => {
        this.#due.forget(relay);
        this.#idle.gone(relay, clock.now());
        this.#loops.assignment.wake();
      },
    });
    this.#assignment = new Assignment(store.nodes, store.lanes, this.#owned, this.#lease, settings, logger);
    this.#headPoll = new HeadPoll(store.lanes, this.#owned, settings, () => this.#hearsOfAppends());
    this.#changePoll = new ChangePoll(store.subscriptions, this.#owned, node.id);
    this.#idle = new IdleSubscriptions(store.subscriptions, this.#owned);
    this.#unusedWindows = new UnusedWindows(readAhead, this.#owned, this.#assignment, this.#lease, settings);
    this.#wakeOut = new WakeOut(options.wakeChannel, () => this.#assignment.live.length > 1);
    this.#locator = new Locator(store, this.events, clock, {
      nodeId: node.id,
      owned: (topic, group) => this.owned(topic, group),
      liveNodes: () => this.#assignment.live,
      foundFree: (subscription) => {
        this.#assignment.want(subscription);
        this.#loops.assignment.wake();
      },
    });
    this.#loops = this.#makeLoops();
  }

  /** Registers this node and takes the subscriptions that it should have. Throws when the store is away. */
  async start(): Promise<void> {
    await this.#lease.renew();
    this.#unlisten = this.options.wakeChannel?.onWake((wake) => this.#onWake(wake)) ?? ((): void => {});
    this.#changePoll.begin(this.options.clock.now());
    await this.#assignment.runOnce(this.options.clock.now());
    for (const service of [this.#due, ...Object.values(this.#loops)]) service.start();
  }

  /** Gives all subscriptions back, each after its consumer has finished what it has in hand, and this node's lease. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Whether this node's lease is known to last. While it is not, nothing is given out. */
  get leaseHolds(): boolean {
    return this.#lease.holds;
  }

  /** The live nodes as last seen, this one included. */
  get liveNodes(): readonly NodeRow[] {
    return this.#assignment.live;
  }

  /** When some owned subscription has something to do that waits for its time (epoch ms); Infinity when none has. */
  get nextDueAt(): number {
    return this.#due.nextAt;
  }

  /** The relay of a subscription that this node owns; null where it does not. */
  owned(topic: string, group: string): SubscriptionRelay | null {
    return this.#owned.get(topic, group);
  }

  allOwned(): IterableIterator<SubscriptionRelay> {
    return this.#owned.all();
  }

  /** The live node that owns a subscription; null while nobody does. `subscription-not-found`. */
  ownerOf(topic: string, group: string): Promise<NodeRow | null> {
    return this.#locator.ownerOf(topic, group);
  }

  /**
   * Finds who has a subscription, and waits while nobody has: it was just created, or is moving between nodes.
   * `subscription-not-found`; `unavailable` after `waitMs`.
   */
  locate(topic: string, group: string, waitMs = 2_000): Promise<Located> {
    return this.#locator.locate(topic, group, waitMs);
  }

  /** Messages that this node has just stored. */
  stored(messages: StoredMessage[]): void {
    this.#recent.remember(messages);
  }

  /** Chunks that this node has just appended to the log, after that is durable. */
  appended(chunks: LogChunk[]): void {
    for (const chunk of chunks) {
      for (const relay of this.#owned.ofTopic(chunk.topic)) relay.appended(chunk);
      this.#wakeOut.topic(chunk.topic);
    }
  }

  /** A caller of this node created, changed, paused, moved or deleted a subscription, or redrove or discarded its dead letters. */
  async subscriptionChanged(topic: string, group: string): Promise<void> {
    this.#wakeOut.subscription(topic, group);
    await this.#lookAt(topic, group);
  }

  /** Runs every background job once; for tests that set the time. */
  async runOnce(now: number): Promise<void> {
    await this.#lease.renew();
    await this.#assignment.runOnce(now);
    await this.#changePoll.runOnce(now);
    await this.#headPoll.runOnce(now);
    await this.#due.runOnce(now);
    await this.#idle.runOnce(now);
    await this.#unusedWindows.runOnce(now);
  }

  #makeLoops(): Record<'lease' | 'assignment' | 'heads' | 'changes' | 'idle' | 'windows', Loop> {
    const { clock, logger } = this.options;
    const { renewMs, changesIntervalMs, headsIntervalMs, headsIntervalSharedMs } = this.#settings;
    const loop = (name: string, intervalMs: number, runOnce: (now: number) => Promise<boolean | void>): Loop =>
      new Loop(async (now) => (await runOnce(now)) === true, {
        name,
        intervalMs,
        clock,
        logger,
        retryMs: 250,
        retryMsMax: renewMs,
      });
    return {
      lease: loop('lease', renewMs, () => this.#lease.renew()),
      assignment: loop('assignment', renewMs, (now) => this.#assignment.runOnce(now)),
      heads: loop('heads', Math.min(headsIntervalMs, headsIntervalSharedMs), (now) => this.#headPoll.runOnce(now)),
      changes: loop('changes', changesIntervalMs, (now) => this.#changePoll.runOnce(now)),
      idle: loop('idle-subscriptions', renewMs, (now) => this.#idle.runOnce(now)),
      windows: loop('unused-windows', renewMs, (now) => this.#unusedWindows.runOnce(now)),
    };
  }

  #hearsOfAppends(): boolean {
    return this.options.wakeChannel !== undefined || this.#assignment.live.length <= 1;
  }

  #onWake({ topics, subscriptions }: Wake): void {
    const owned = topics.filter((topic) => {
      for (const _relay of this.#owned.ofTopic(topic)) return true;
      return false;
    });
    if (owned.length > 0) {
      this.#headPoll.want(owned);
      this.#loops.heads.wake();
    }
    for (const { topic, group } of subscriptions) {
      this.#lookAt(topic, group).catch((error: unknown) => {
        this.options.logger.warn({ err: error, topic, group }, 'a changed subscription is looked at again later');
      });
    }
  }

  async #lookAt(topic: string, group: string): Promise<void> {
    const relay = this.owned(topic, group);
    if (relay === null) {
      this.#loops.assignment.wake();
      return;
    }
    await this.#owned.reconcile(relay, () => this.options.store.subscriptions.get(topic, group));
  }

  async #stop(): Promise<void> {
    this.#unlisten();
    const { lease, ...others } = this.#loops;
    await Promise.all(Object.values(others).map((loop) => loop.stop()));
    await this.#assignment.releaseAll([...this.#owned.all()]);
    await Promise.all([this.#due.stop(), lease.stop()]);
    this.#wakeOut.stop();
    await this.#idle.markGone(this.options.clock.now());
    await this.#lease.end();
  }
}
