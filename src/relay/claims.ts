import type { StoredMessage } from '../message/message.js';
import { Problem } from '../message/problem.js';
import { reached } from '../message/step.js';
import { GiveOut } from './delivery-changes.js';
import type { Outcomes } from './outcomes.js';
import type { Delivery } from './owned-subscription.js';
import type { OwnedState } from './owned-state.js';
import type { ReadyQueue } from './ready-queue.js';
import type { Refill } from './refill.js';
import type { RelayParts } from './relay-parts.js';
import type { SettlementWriter } from './settlement-writer.js';
import { TokenBucket } from './token-bucket.js';
import type { TrackedDelivery } from './tracked-delivery.js';

/** Steps of a refill that a take waits for when nothing is ready, at most; after that the consumer hears when something is. */
const refillStepsMax = 8;
/** Wait after deliveries could not be given out. */
const retryAfterMs = 1_000;

/** Gives deliveries out: within `maxInFlight` and the rate, retries and log in turn, all lanes alike. */
export class Claims {
  #bucket: TokenBucket | null = null;
  #firstLane = 0;

  constructor(
    private readonly state: OwnedState,
    private readonly writer: SettlementWriter,
    private readonly parts: RelayParts,
    private readonly outcomes: Outcomes,
    private readonly refill: Refill,
    private readonly wakeAt: (at: number) => void,
  ) {
    this.rateChanged();
  }

  /** The configured rate may be another one. */
  rateChanged(): void {
    const { ratePerSecond } = this.state.config;
    if (ratePerSecond === this.#bucket?.ratePerSecond) return;
    this.#bucket = ratePerSecond === undefined ? null : new TokenBucket(ratePerSecond, this.parts.clock.now());
  }

  /** Whether the configured rate lets nothing pass now. */
  get heldByRate(): boolean {
    return this.#bucket !== null && this.#bucket.available(this.parts.clock.now()) < 1;
  }

  async take(max: number, claimMs: number): Promise<Delivery[]> {
    if (!this.parts.leaseHolds()) throw leaseNotRenewed();
    let picked = this.#pick(max, claimMs);
    this.#ask();
    for (let step = 0; step < refillStepsMax && picked.length === 0 && this.refill.running; step += 1) {
      await this.refill.nextStep();
      picked = this.#pick(max, claimMs);
      // Another one that waited may have taken what this step brought.
      if (picked.length === 0) this.#ask();
    }
    return picked.length === 0 ? [] : this.#give(picked);
  }

  /** Tries of earlier owners that are unsettled, with their messages. */
  async inherited(): Promise<Delivery[]> {
    const inherited: TrackedDelivery[] = [];
    for (const lane of this.state.lanes.values()) {
      for (const delivery of lane.inFlight.values()) {
        if (delivery.inherited && delivery.phase === 'given') inherited.push(delivery);
      }
    }
    if (inherited.length === 0) return [];
    return this.#withMessages(
      inherited,
      await this.parts.messages.read(
        this.state.topic,
        inherited.map(({ ref }) => ref.id),
      ),
    );
  }

  async #give(picked: TrackedDelivery[]): Promise<Delivery[]> {
    reached('relay.picked-before-given');
    // Bodies are read while the claims are being written; neither waits for the other.
    const reading = this.parts.messages.read(
      this.state.topic,
      picked.map(({ ref }) => ref.id),
    );
    const [written, read] = await Promise.allSettled([this.writer.write(new GiveOut(this.state, picked)), reading]);
    if (written.status === 'rejected' || read.status === 'rejected') {
      this.#putBack(picked);
      throw written.status === 'rejected' ? written.reason : (read as PromiseRejectedResult).reason;
    }
    reached('relay.given-before-hand-out');
    let retries = 0;
    for (const delivery of picked) {
      delivery.phase = 'given';
      this.outcomes.watch(delivery.claimedUntil);
      if (delivery.attempt > 1) retries += 1;
    }
    if (!this.parts.leaseHolds()) {
      await this.#giveBack(picked);
      throw leaseNotRenewed();
    }
    const deliveries = await this.#withMessages(picked, read.value);
    const { topic, group } = this.state;
    this.parts.events.emit('given', { topic, group, count: deliveries.length, retries });
    return deliveries;
  }

  /** The node was held up meanwhile: another one may have given out later messages of their keys. Where this fails, claims run out. */
  async #giveBack(picked: TrackedDelivery[]): Promise<void> {
    const { topic, group, generation } = this.state;
    const ids = picked.map(({ shard, offset, attempt }) => ({ shard, offset, attempt, generation }));
    try {
      await this.outcomes.settle(ids.map((id) => ({ ...id, result: { kind: 'release' } })));
    } catch (error) {
      this.parts.logger.warn({ err: error, topic, group, count: picked.length }, 'could not give back what was taken');
    }
  }

  async #withMessages(tracked: TrackedDelivery[], messages: (StoredMessage | undefined)[]): Promise<Delivery[]> {
    const { generation } = this.state;
    const deliveries: Delivery[] = [];
    const missing: TrackedDelivery[] = [];
    tracked.forEach((delivery, index) => {
      const message = messages[index];
      if (message === undefined) {
        missing.push(delivery);
        return;
      }
      const { shard, offset, attempt, claimedUntil } = delivery;
      deliveries.push({ shard, offset, attempt, generation, claimedUntil, message });
    });
    if (missing.length > 0) await this.#bury(missing);
    return deliveries;
  }

  async #bury(missing: TrackedDelivery[]): Promise<void> {
    const { topic, group } = this.state;
    const ids = missing.slice(0, 10).map(({ ref }) => ref.id);
    this.parts.logger.error({ topic, group, count: missing.length, ids }, 'messages have no body in the store');
    try {
      await this.outcomes.buryMissing(missing.filter(({ phase }) => phase === 'given'));
      // Whoever got nothing because of these has not heard of what is behind them.
      this.wakeAt(this.parts.clock.now());
    } catch (error) {
      // Their claims run out, and they are found missing again: nothing is lost, and the others are delivered.
      this.parts.logger.warn({ err: error, topic, group }, 'could not bury messages without a body');
    }
  }

  /** A consumer wants more than there is. */
  #ask(): void {
    if (!this.state.paused) this.state.asked += 1;
    this.refill.kick();
  }

  #pick(max: number, claimMs: number): TrackedDelivery[] {
    const { state } = this;
    const now = this.parts.clock.now();
    const room = this.#room(max, now);
    const picked: TrackedDelivery[] = [];
    if (room <= 0) return picked;
    let logReady = 0;
    for (const lane of state.lanes.values()) logReady += lane.ready.length;
    // While both have something, retries get half: neither keeps the other waiting.
    const retries = logReady === 0 ? room : Math.max(Math.ceil(room / 2), room - logReady);
    this.#move(state.retries, retries, picked);
    this.#pickFromLog(room, picked);
    this.#bucket?.take(picked.length);
    for (const delivery of picked) {
      const lane = state.lane(delivery.shard);
      lane.setReadyRetry(delivery.offset, false);
      lane.inFlight.set(delivery.offset, delivery);
      delivery.phase = 'giving';
      delivery.attempt += 1;
      delivery.claimedUntil = now + claimMs;
    }
    return picked;
  }

  #room(max: number, now: number): number {
    const { config, paused, hasReady, inFlight } = this.state;
    if (paused || !hasReady) return 0;
    const room = Math.min(max, config.maxInFlight - inFlight);
    if (room <= 0 || this.#bucket === null) return room;
    const allowed = this.#bucket.available(now);
    if (allowed < room) this.wakeAt(this.#bucket.nextAt(now));
    return Math.min(room, allowed);
  }

  /** An equal share of each lane first, then whatever is there. */
  #pickFromLog(room: number, picked: TrackedDelivery[]): void {
    const lanes = [...this.state.lanes.values()];
    const share = Math.ceil((room - picked.length) / lanes.length);
    for (const most of [share, room]) {
      for (let index = 0; index < lanes.length && picked.length < room; index += 1) {
        const lane = lanes[(this.#firstLane + index) % lanes.length]!;
        this.#move(lane.ready, Math.min(most, room - picked.length), picked);
      }
    }
    this.#firstLane = (this.#firstLane + 1) % lanes.length;
  }

  #move(from: ReadyQueue<TrackedDelivery>, most: number, to: TrackedDelivery[]): void {
    for (let count = 0; count < most; count += 1) {
      const delivery = from.shift();
      if (delivery === undefined) return;
      to.push(delivery);
    }
  }

  #putBack(picked: TrackedDelivery[]): void {
    // Others may have found nothing because of these; not told at once, or a store that is away is asked in a tight circle.
    this.wakeAt(this.parts.clock.now() + retryAfterMs);
    for (let index = picked.length - 1; index >= 0; index -= 1) {
      const delivery = picked[index]!;
      delivery.attempt -= 1;
      this.state.putBack(delivery);
      this.state.lane(delivery.shard).dirty = true;
    }
  }
}

function leaseNotRenewed(): Problem {
  return new Problem('unavailable', 'this node could not renew its lease', { retryAfterMs: 1_000 });
}
