import { bounds } from '../message/bounds.js';
import { readFailureText } from '../message/failure-text.js';
import type { EngineOutcome, EngineQueue } from '../queue/queue-engine.js';
import type { DeliveryOutcome, DeliveryResult, OwnedSubscription } from '../relay/owned-subscription.js';
import type { Events } from '../runtime/events.js';
import type { QueueBridgeEvents, QueueBridgeSettings } from './queue-bridge-settings.js';
import type { QueuedTry, QueueWindow } from './queue-window.js';

/** What a try is recorded as that the engine no longer knew. */
export const engineLost = 'engine-lost';

/** How the tries end that are with the engine: as their workers said, or because the engine or a worker lost them. */
export class QueueOutcomes {
  constructor(
    private readonly owned: OwnedSubscription,
    private readonly queue: EngineQueue,
    private readonly window: QueueWindow,
    private readonly settings: QueueBridgeSettings,
    private readonly parts: { events: Events<QueueBridgeEvents> },
  ) {}

  /** Ends what the engine has lost as failed attempts, due again at once. Answers how many. */
  async settleLost(): Promise<number> {
    const missing = await this.queue.missing(this.window.enqueuedIds());
    // One that was settled while this was asked is missing because it was removed.
    const lost = missing.filter((id) => this.window.has(id));
    if (lost.length === 0) return 0;
    await this.settle(lost.map((id) => [id, { kind: 'nack', error: engineLost, delayMs: 0 }]));
    this.emit('engineLost', lost.length);
    return lost.length;
  }

  /** Stores how tries ended; they are no longer with the engine then. */
  async settle(ended: [id: string, result: DeliveryResult][]): Promise<void> {
    if (ended.length === 0) return;
    const outcomes = ended.map(([id, result]): DeliveryOutcome => ({ ...this.queued(id).delivery, result }));
    const results = await this.owned.settle(outcomes);
    for (const [id] of ended) this.window.delete(id);
    this.ignored(results.filter((result) => result === 'stale').length);
  }

  /** Makes claims last whose second half has begun. */
  async extendClaims(now: number): Promise<void> {
    const { claimMs } = this.settings;
    const ids = this.window.endingBefore(now + claimMs / 2);
    if (ids.length === 0) return;
    const results = await this.owned.extend(
      ids.map((id) => this.queued(id).delivery),
      claimMs,
    );
    ids.forEach((id, index) => {
      if (results[index] === 'stale') this.window.delete(id);
      else {
        const queued = this.window.get(id);
        if (queued !== undefined) queued.claimedUntil = now + claimMs;
      }
    });
  }

  /** Ends running jobs whose workers have gone; they are drained as failed. Answers how many. */
  async failAbandoned(): Promise<number> {
    const count = await this.queue.failAbandoned();
    if (count > 0) this.emit('workerLost', count);
    return count;
  }

  /**
   * Removes what is not this owner's: waiting jobs of an older generation would run for nothing, and ended ones of a
   * deleted subscription of the same name would answer for new ones that get the same id.
   */
  async clearForeign(): Promise<void> {
    this.ignored(await this.queue.retainWaiting(this.window.ids()));
    for (;;) {
      const outcomes = await this.queue.drain(this.settings.drainMax + this.window.count);
      const foreign = outcomes.filter(({ id }) => !this.window.has(id)).map(({ id }) => id);
      if (foreign.length === 0) return;
      await this.queue.remove(foreign);
      this.ignored(foreign.length);
    }
  }

  /** So many outcomes, or jobs, count no longer. */
  ignored(count: number): void {
    if (count > 0) this.emit('ignored', count);
  }

  private queued(id: string): QueuedTry {
    return this.window.get(id) as QueuedTry;
  }

  private emit(name: keyof QueueBridgeEvents, count: number): void {
    this.parts.events.emit(name, { topic: this.owned.topic, group: this.owned.group, count });
  }
}

const withoutReason = 'failed without a reason';

/** What a worker's end means for the try. Its error text may ask for the dead letters, or for a wait of its own. */
export function resultOf({ ok, error }: EngineOutcome): DeliveryResult {
  if (ok) return { kind: 'ack' };
  const failure = readFailureText(error ?? '');
  if (failure.kind === 'plain') return { kind: 'nack', error: error || withoutReason };
  if (failure.kind === 'reject') return { kind: 'reject', error: failure.reason || withoutReason };
  const delayMs = Math.min(failure.afterMs, bounds.delayMsMax);
  return { kind: 'nack', error: failure.reason || withoutReason, delayMs };
}
