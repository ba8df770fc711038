import { reached } from '../message/step.js';
import { Extend, Settle, type Fate } from './delivery-changes.js';
import type { DeliveryId, DeliveryOutcome, DeliveryResult } from './owned-subscription.js';
import type { OwnedState } from './owned-state.js';
import { retryDelayMs } from './retry-policy.js';
import type { SettlementWriter } from './settlement-writer.js';
import type { RelayParts } from './relay-parts.js';
import type { TrackedDelivery } from './tracked-delivery.js';

/** Kept of what a consumer says about a failure, in characters. */
const errorLengthMax = 1_000;

/** What an expired claim is recorded as. */
export const visibilityExpired = 'visibility-expired';
/** What a message is recorded as that the log names and the store no longer has. */
export const bodyMissing = 'body-missing';

type Ended = { delivery: TrackedDelivery; fate: Fate };

/** How tries end: acked, to be retried, dead; or not yet, when their claims are extended. */
export class Outcomes {
  /** No claim ends before that (epoch ms). */
  nextExpiryAt = Infinity;

  constructor(
    private readonly state: OwnedState,
    private readonly writer: SettlementWriter,
    private readonly parts: RelayParts,
    private readonly wakeAt: (at: number) => void,
  ) {}

  async settle(outcomes: DeliveryOutcome[]): Promise<('settled' | 'stale')[]> {
    const now = this.parts.clock.now();
    const ended: Ended[] = [];
    const results = outcomes.map((outcome): 'settled' | 'stale' => {
      const delivery = this.#given(outcome);
      if (delivery === null) return 'stale';
      delivery.phase = 'settling';
      ended.push({ delivery, fate: this.#fateOf(delivery, outcome.result, now) });
      return 'settled';
    });
    const stale = outcomes.length - ended.length;
    const { topic, group } = this.state;
    if (stale > 0) this.parts.events.emit('stale', { topic, group, count: stale });
    await this.#end(ended, 0);
    return results;
  }

  async extend(ids: DeliveryId[], claimMs: number): Promise<('extended' | 'stale')[]> {
    const claimedUntil = this.parts.clock.now() + claimMs;
    const extended: TrackedDelivery[] = [];
    const before: number[] = [];
    const results = ids.map((id): 'extended' | 'stale' => {
      const delivery = this.#given(id);
      if (delivery === null) return 'stale';
      extended.push(delivery);
      before.push(delivery.claimedUntil);
      delivery.claimedUntil = claimedUntil;
      return 'extended';
    });
    if (extended.length === 0) return results;
    this.watch(claimedUntil);
    try {
      await this.writer.write(new Extend(this.state, extended));
    } catch (error) {
      extended.forEach((delivery, index) => (delivery.claimedUntil = before[index]!));
      this.watch(Math.min(...before));
      throw error;
    }
    return results;
  }

  /** Ends tries whose message the store does not have. They were never handed to a consumer. */
  async buryMissing(deliveries: TrackedDelivery[]): Promise<void> {
    const now = this.parts.clock.now();
    const ended = deliveries.map((delivery): Ended => {
      delivery.phase = 'settling';
      return { delivery, fate: this.#fateOf(delivery, { kind: 'reject', error: bodyMissing }, now) };
    });
    await this.#end(ended, 0);
  }

  /** Ends tries whose claims have ended: failed attempts, due again at once. */
  async expire(now: number): Promise<void> {
    if (now < this.nextExpiryAt) return;
    const ended: Ended[] = [];
    let next = Infinity;
    for (const lane of this.state.lanes.values()) {
      for (const delivery of lane.inFlight.values()) {
        if (delivery.phase !== 'given') continue;
        if (delivery.claimedUntil > now || ended.length >= this.parts.settings.flushEntriesMax) {
          next = Math.min(next, delivery.claimedUntil);
          continue;
        }
        delivery.phase = 'settling';
        const failed: DeliveryResult = { kind: 'nack', error: visibilityExpired, delayMs: 0 };
        ended.push({ delivery, fate: this.#fateOf(delivery, failed, now) });
      }
    }
    this.nextExpiryAt = next;
    try {
      await this.#end(ended, ended.length);
    } catch (error) {
      const { topic, group } = this.state;
      this.parts.logger.warn({ err: error, topic, group, count: ended.length }, 'could not end expired claims');
      this.watch(now + this.parts.settings.renewMs);
    }
  }

  /** A claim ends at that time. */
  watch(claimedUntil: number): void {
    if (claimedUntil >= this.nextExpiryAt) return;
    this.nextExpiryAt = claimedUntil;
    this.wakeAt(claimedUntil);
  }

  /** Looks at all claims anew. */
  watchClaims(): void {
    for (const lane of this.state.lanes.values()) {
      for (const delivery of lane.inFlight.values()) this.watch(delivery.claimedUntil);
    }
  }

  #given(id: DeliveryId): TrackedDelivery | null {
    const delivery = this.state.lanes.get(id.shard)?.inFlight.get(id.offset);
    if (delivery === undefined || delivery.phase !== 'given' || delivery.attempt !== id.attempt) return null;
    return id.generation === this.state.generation ? delivery : null;
  }

  #fateOf(delivery: TrackedDelivery, result: DeliveryResult, now: number): Fate {
    if (result.kind === 'ack') return { kind: 'acked' };
    if (result.kind === 'release') return { kind: 'released', dueAt: now };
    const { maxAttempts, retry } = this.state.config;
    const error = result.error.slice(0, errorLengthMax);
    const firstFailedAt = delivery.firstFailedAt ?? now;
    if (result.kind === 'reject' || delivery.attempt >= maxAttempts) {
      return { kind: 'dead', diedAt: now, error, firstFailedAt };
    }
    const delayMs = result.delayMs ?? retryDelayMs(retry, delivery.attempt, this.parts.random());
    return { kind: 'retry', dueAt: now + delayMs, error, firstFailedAt };
  }

  async #end(ended: Ended[], expired: number): Promise<void> {
    if (ended.length === 0) return;
    reached('relay.settle.before-store');
    this.#setSettling(ended, true);
    try {
      await this.writer.write(new Settle(this.state, ended));
    } catch (error) {
      for (const { delivery } of ended) delivery.phase = 'given';
      // Claims that ended while this was being tried were not looked at.
      this.watch(Math.min(...ended.map(({ delivery }) => delivery.claimedUntil)));
      throw error;
    } finally {
      this.#setSettling(ended, false);
    }
    this.#ended(ended, expired);
  }

  #setSettling(ended: Ended[], settling: boolean): void {
    for (const { delivery } of ended) this.state.lane(delivery.shard).setSettling(delivery.offset, settling);
  }

  #ended(ended: Ended[], expired: number): void {
    reached('relay.settle.after-store-before-answer');
    const { state } = this;
    const now = this.parts.clock.now();
    const counts = { acked: 0, retried: 0, released: 0, dead: 0, expired };
    let retryAt = Infinity;
    for (const { delivery, fate } of ended) {
      if (fate.kind === 'retry' || fate.kind === 'released') {
        reached('retry.stored');
        counts[fate.kind === 'retry' ? 'retried' : 'released'] += 1;
        retryAt = Math.min(retryAt, fate.dueAt);
      } else if (fate.kind === 'acked') {
        counts.acked += 1;
        this.#freeKey(delivery, now);
      } else {
        reached('dead-letter.stored');
        counts.dead += 1;
        this.#freeKey(delivery, now, state.config.onDeadLetter === 'block');
      }
    }
    if (retryAt < state.retryWakeAt) {
      state.retryWakeAt = retryAt;
      this.wakeAt(retryAt);
    }
    this.parts.events.emit('settled', { topic: state.topic, group: state.group, ...counts });
  }

  #freeKey({ ref: { keyHash }, shard, offset }: TrackedDelivery, now: number, blocks = false): void {
    if (keyHash === undefined) return;
    if (blocks) this.state.gate.block(keyHash, shard, offset);
    else this.state.passKeyOn(keyHash, shard, offset, now);
  }
}
