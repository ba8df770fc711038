import type { SubscriptionConfig } from '../message/subscription.js';
import type { SigningSecrets } from '../store/catalog-store.js';
import type { ClaimedSubscription } from '../store/lane-store.js';
import type { Subscription } from '../store/subscription-store.js';
import { Lane } from './lane.js';
import { OrderGate, type NextOfKey } from './order-gate.js';
import { ReadAheadShare, type ReadAhead } from './read-ahead.js';
import { ReadyQueue } from './ready-queue.js';
import type { RelaySettings } from './relay-settings.js';
import { tagFilter, type TagFilter } from '../message/tag-filter.js';
import type { TrackedDelivery } from './tracked-delivery.js';

/** What the owner of one subscription has in memory. Plain data; the parts of the relay work on it. */
export class OwnedState {
  readonly topic: string;
  readonly group: string;
  readonly epoch: number;
  readonly generation: number;
  readonly lanes = new Map<number, Lane>();
  readonly gate = new OrderGate();
  /** Deliveries of the retry store that may be given out now. */
  readonly retries: ReadyQueue<TrackedDelivery>;
  /** What is ready or held here, as the node counts it. */
  readonly readAhead: ReadAheadShare;
  /** How often consumers have asked for deliveries, but for those that asked while it was paused. */
  asked = 0;
  /** `asked` when due retries were last brought. */
  #retriesServed = 0;
  /** Busy keys whose next delivery the store must name, and their shards. */
  readonly asks = new Map<string, number>();
  /** No retry is due before that (epoch ms), as far as known. */
  retryWakeAt = 0;
  /** Deliveries with rows that were settled while due ones are being read: what the read answers about them is out of date. */
  settledMeanwhile: Set<string> | null = null;
  /** A delivery became ready because its key was free: consumers that wait have not heard of it. */
  keyPassedOn = false;
  config: SubscriptionConfig;
  secrets: SigningSecrets | null;
  paused: boolean;
  filter: TagFilter;

  constructor(
    { subscription, secrets, cursors }: ClaimedSubscription,
    private readonly settings: RelaySettings,
    readAhead: ReadAhead,
  ) {
    this.topic = subscription.topic;
    this.group = subscription.group;
    this.epoch = subscription.epoch;
    this.generation = subscription.generation;
    this.config = subscription.config;
    this.secrets = secrets;
    this.paused = subscription.paused;
    this.filter = tagFilter(subscription.config.filter);
    this.readAhead = new ReadAheadShare(readAhead);
    this.retries = new ReadyQueue(this.readAhead);
    for (const cursor of cursors) {
      this.lanes.set(cursor.shard, new Lane(cursor.shard, cursor, settings, this.readAhead));
    }
  }

  /** Messages that the lane may have ready before it reads no more. */
  windowOf(lane: Lane): number {
    return this.#readAheadMax(lane.served, this.settings.windowMax);
  }

  /** Due retries that may be brought at once. */
  get dueRetriesMax(): number {
    return this.#readAheadMax(this.#retriesServed, this.settings.dueRetriesMax);
  }

  /** What consumers asked for until now has come, as far as due retries go. */
  retriesBrought(): void {
    this.#retriesServed = this.asked;
  }

  #readAheadMax(served: number, most: number): number {
    const { node } = this.readAhead;
    const least = Math.min(this.settings.windowMin, most);
    if (served < this.asked) return node.isFull ? least : most;
    return node.isHalfFull ? 0 : least;
  }

  /** Deliveries given out, or about to be, over all lanes. */
  get inFlight(): number {
    let count = 0;
    for (const lane of this.lanes.values()) count += lane.inFlight.size;
    return count;
  }

  get hasReady(): boolean {
    if (this.retries.length > 0) return true;
    for (const lane of this.lanes.values()) if (lane.ready.length > 0) return true;
    return false;
  }

  /** Whether the log is known to have more than was read. */
  get hasUnread(): boolean {
    for (const lane of this.lanes.values()) if (lane.readOffset < lane.headOffset) return true;
    return false;
  }

  /** Deliveries that may be given out. */
  get readyCount(): number {
    let count = this.retries.length;
    for (const lane of this.lanes.values()) count += lane.ready.length;
    return count;
  }

  lane(shard: number): Lane {
    const lane = this.lanes.get(shard);
    if (lane === undefined) throw new Error(`${this.topic}/${this.group} has no lane ${shard}`);
    return lane;
  }

  /** A delivery of the retry store may be given out. */
  readyRetry(delivery: TrackedDelivery): void {
    delivery.phase = 'ready';
    this.lane(delivery.shard).setReadyRetry(delivery.offset, true);
    this.retries.push(delivery);
  }

  /** Takes a delivery back that was about to be given out; it is the next one again. */
  putBack(delivery: TrackedDelivery): void {
    const lane = this.lane(delivery.shard);
    lane.inFlight.delete(delivery.offset);
    delivery.phase = 'ready';
    delivery.recorded = false;
    if (delivery.inRetry) {
      lane.setReadyRetry(delivery.offset, true);
      this.retries.unshift(delivery);
    } else lane.ready.unshift(delivery);
  }

  /** The delivery is settled: the next one of its ordering key may go. */
  passKeyOn(keyHash: string, shard: number, offset: number, now: number): void {
    const lane = this.lane(shard);
    lane.lastPassedOnAt = now;
    this.followKey(keyHash, shard, this.gate.leave(keyHash, offset));
  }

  /** Does what the order gate answered about who has a key next. What no longer passes the filter is settled. */
  followKey(keyHash: string, shard: number, first: NextOfKey): void {
    const lane = this.lane(shard);
    let next = first;
    while (next !== null && next !== 'ask-store' && !this.filter(next.ref.tag)) {
      lane.settleHeld(next);
      next = this.gate.leave(keyHash, next.offset);
    }
    if (next === null) lane.stalledUntil = 0;
    else if (next === 'ask-store') this.asks.set(keyHash, shard);
    else {
      lane.releaseHeld(next);
      this.keyPassedOn = true;
    }
  }

  /** The subscription's row was changed. Entries that were read and no longer pass the filter are settled. */
  update(subscription: Subscription, secrets: SigningSecrets | null, now: number): void {
    const filterChanged = subscription.config.filter !== this.config.filter;
    this.config = subscription.config;
    this.secrets = secrets;
    this.paused = subscription.paused;
    if (!filterChanged) return;
    this.filter = tagFilter(subscription.config.filter);
    for (const lane of this.lanes.values()) {
      const unwanted = lane.ready.removeUnless(({ ref }) => this.filter(ref.tag));
      for (const delivery of unwanted) {
        lane.settled.add(delivery.offset);
        lane.dirty = true;
        if (delivery.ref.keyHash !== undefined) {
          this.passKeyOn(delivery.ref.keyHash, delivery.shard, delivery.offset, now);
        }
      }
    }
  }
}
