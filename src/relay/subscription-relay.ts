import type { SubscriptionConfig } from '../message/subscription.js';
import type { SigningSecrets } from '../store/catalog-store.js';
import type { LogChunk } from '../message/ref.js';
import type { ClaimedSubscription } from '../store/lane-store.js';
import type { Subscription } from '../store/subscription-store.js';
import { Claims } from './claims.js';
import { writeCursors } from './delivery-changes.js';
import type { Delivery, DeliveryId, DeliveryOutcome, OwnedSubscription } from './owned-subscription.js';
import { OwnedState } from './owned-state.js';
import { MovedCursors } from './moved-cursors.js';
import { Outcomes } from './outcomes.js';
import { ReadySignal } from './ready-signal.js';
import { recheckBlocked, recover } from './recover.js';
import { Refill } from './refill.js';
import type { RelayParts } from './relay-parts.js';
import type { SettlementDraft } from './settlement-draft.js';
import { SettlementWriter, subscriptionLost } from './settlement-writer.js';

/** What one owned subscription asks of its node. */
export interface RelayHost {
  /** Call `runOnce` at that time (epoch ms), or earlier. */
  wakeAt(relay: SubscriptionRelay, at: number): void;
  /** Another node has the subscription. */
  lost(relay: SubscriptionRelay): Promise<void>;
}

/** The relay of one subscription that this node owns: gives out, settles, retries, keeps order. */
export class SubscriptionRelay implements OwnedSubscription {
  readonly #state: OwnedState;
  readonly #writer: SettlementWriter;
  readonly #refill: Refill;
  readonly #claims: Claims;
  readonly #outcomes: Outcomes;
  readonly #cursors: MovedCursors;
  readonly #ready = new ReadySignal();
  #giving = true;
  #lost = false;
  #usedUntil = 0;

  constructor(
    private readonly claimed: ClaimedSubscription,
    private readonly parts: RelayParts,
    private readonly host: RelayHost,
    /** The time of the claim as its row has it: changes of the row are others' from then on. */
    readonly claimedAt: number,
  ) {
    const { store, settings, clock, logger } = parts;
    this.#state = new OwnedState(claimed, settings, parts.readAhead);
    this.#writer = new SettlementWriter(
      this.#state,
      parts.settleGroup,
      settings.flushEntriesMax,
      (draft) => this.#beforeWrite(draft),
      () => this.#onFenced(),
    );
    const wakeAt = (at: number): void => this.host.wakeAt(this, at);
    this.#cursors = new MovedCursors(this.#state, this.#writer, parts, wakeAt);
    this.#refill = new Refill(this.#state, store, this.#writer, settings, clock, logger, {
      ready: this.#ready.give,
      moved: () => this.#cursors.look(),
      wakeAt,
    });
    this.#outcomes = new Outcomes(this.#state, this.#writer, parts, wakeAt);
    this.#claims = new Claims(this.#state, this.#writer, parts, this.#outcomes, this.#refill, wakeAt);
  }

  get topic(): string {
    return this.#state.topic;
  }

  get group(): string {
    return this.#state.group;
  }

  get epoch(): number {
    return this.#state.epoch;
  }

  get config(): SubscriptionConfig {
    return this.#state.config;
  }

  get secrets(): SigningSecrets | null {
    return this.#state.secrets;
  }

  get paused(): boolean {
    return this.#state.paused;
  }

  get generation(): number {
    return this.#state.generation;
  }

  /** Nothing can be taken or settled here any more: it was handed over, or is another node's. */
  get ended(): boolean {
    return this.#lost;
  }

  get holds(): boolean {
    return !this.#lost && this.parts.leaseHolds();
  }

  /** Deliveries given out and not settled. */
  get inFlightCount(): number {
    return this.#state.inFlight;
  }

  /** Messages that were read and not given out. */
  get readAheadCount(): number {
    return this.#state.readAhead.count;
  }

  /** What is to be done now, not counting what waits for a time, for a resume or behind a dead letter. */
  get work(): { ready: number; inFlight: number; reading: boolean } {
    const ready = this.#state.paused || this.#claims.heldByRate ? 0 : this.#state.readyCount;
    return { ready, inFlight: this.#state.inFlight, reading: this.#refill.wanted };
  }

  /** Whether a lane has read all that is known of its shard, so that only the shard's growth can bring it more. */
  get waitsForGrowth(): boolean {
    for (const lane of this.#state.lanes.values()) if (lane.readOffset >= lane.headOffset) return true;
    return false;
  }

  /** Takes over from the earlier owner. Call once, before anything else. Answers how many tries are with consumers. */
  async recover(): Promise<number> {
    const inherited = await recover(this.#state, this.claimed, this.parts);
    this.#outcomes.watchClaims();
    this.host.wakeAt(this, this.parts.clock.now());
    return inherited;
  }

  async take(max: number, claimMs: number): Promise<Delivery[]> {
    if (this.#lost) throw subscriptionLost(this.topic, this.group);
    return this.#giving ? this.#claims.take(max, claimMs) : [];
  }

  async settle(outcomes: DeliveryOutcome[]): Promise<('settled' | 'stale')[]> {
    const wasFull = this.#state.inFlight >= this.config.maxInFlight;
    const results = await this.#outcomes.settle(outcomes);
    this.markUsed(this.parts.clock.now());
    this.#cursors.look();
    this.#refill.kick();
    if ((wasFull || this.#state.keyPassedOn) && this.#state.hasReady) this.#ready.give();
    this.#state.keyPassedOn = false;
    return results;
  }

  extend(deliveries: DeliveryId[], claimMs: number): Promise<('extended' | 'stale')[]> {
    this.markUsed(this.parts.clock.now());
    return this.#outcomes.extend(deliveries, claimMs);
  }

  inFlight(): Promise<Delivery[]> {
    return this.#claims.inherited();
  }

  onReady(listener: () => void): () => void {
    return this.#ready.on(listener);
  }

  /** A chunk was appended to the topic on this node. */
  appended(chunk: LogChunk): void {
    const lane = this.#state.lanes.get(chunk.shard);
    if (lane === undefined) return;
    lane.headOffset = Math.max(lane.headOffset, chunk.firstOffset + chunk.refs.length);
    if (this.#refill.takeIn(lane, chunk)) {
      if (lane.dirty) this.#cursors.look();
      if (lane.ready.length > 0) this.#ready.give();
    } else this.#refill.kick();
  }

  /** The shard is known to reach to `nextOffset`. */
  grown(shard: number, nextOffset: number): void {
    const lane = this.#state.lanes.get(shard);
    if (lane === undefined || nextOffset <= lane.headOffset) return;
    lane.headOffset = nextOffset;
    this.#refill.kick();
  }

  /** The subscription's row or its retries were changed by a caller: configuration, pause, redrive, discard. */
  async changed(subscription: Subscription, secrets: SigningSecrets | null): Promise<void> {
    const { clock, store } = this.parts;
    this.#state.update(subscription, secrets, clock.now());
    this.#claims.rateChanged();
    this.#state.retryWakeAt = clock.now();
    this.#cursors.look();
    if (this.config.onDeadLetter === 'block' || this.#state.gate.blocked().length > 0) {
      // A dead letter that is being stored may be gone before its key is known to be blocked.
      await this.#writer.settled();
      await recheckBlocked(this.#state, store, clock.now());
    }
    this.#refill.kick();
    this.#ready.give();
  }

  /** Does what is due: ends expired claims, brings due retries, writes cursors. */
  async runOnce(now: number): Promise<void> {
    if (this.#lost) return;
    this.#refill.kick();
    if (this.#giving) await this.#outcomes.expire(now);
    this.#cursors.look();
    await this.#cursors.writeDue(now);
    if (this.#state.hasReady) this.#ready.give();
    const next = Math.min(this.#state.retryWakeAt, this.#outcomes.nextExpiryAt, this.#cursors.dueAt);
    if (next !== Infinity) this.host.wakeAt(this, next);
  }

  /** The subscription is in use until then (epoch ms); see `expiresAfterIdleMs`. */
  markUsed(until: number): void {
    this.#usedUntil = Math.max(this.#usedUntil, until);
  }

  /** Whether it was used since `since`. One that nobody pulls from counts as used while nothing waits for its consumer. */
  usedSince(since: number): boolean {
    if (this.#usedUntil >= since) return true;
    return this.config.mode !== 'pull' && this.#state.inFlight === 0 && !this.#state.hasReady && !this.#state.hasUnread;
  }

  /** Gives out nothing more; what is given out can still be settled. */
  stopGiving(): void {
    this.#giving = false;
    this.#refill.stop();
    this.#ready.give();
  }

  /**
   * Ends as planned. What is with consumers stays theirs: their claims, deadlines included, were stored when they were
   * given out. Nothing can be settled here afterwards.
   */
  async handOver(): Promise<void> {
    this.stopGiving();
    for (const lane of this.#state.lanes.values()) if (lane.dirty) await this.#writer.write(writeCursors);
    await this.#writer.idle();
    this.drop();
  }

  /** Ends at once: another node has the subscription, or will. */
  drop(): void {
    this.#lost = true;
    this.#writer.close();
    this.#state.readAhead.close();
    this.stopGiving();
  }

  #beforeWrite(draft: SettlementDraft): void {
    for (const lane of this.#state.lanes.values()) if (lane.dirty) draft.touch(lane);
    this.#cursors.written();
    if (!draft.isEmpty) return;
    // The fence is checked on a lane: a write without one would prove nothing.
    for (const lane of this.#state.lanes.values()) return draft.touch(lane);
  }

  #onFenced(): void {
    if (this.#lost) return;
    this.drop();
    void this.host.lost(this);
  }
}
