import type { EngineOutcome, EngineQueue } from '../queue/queue-engine.js';
import type { DeliveryOutcome, DeliveryResult, OwnedSubscription } from '../relay/owned-subscription.js';
import type { Events } from '../runtime/events.js';
import type { Logger } from '../runtime/logger.js';
import { resultsOf } from './job-results.js';
import type { QueueBridgeEvents, QueueBridgeSettings } from './queue-bridge-settings.js';
import type { QueuedJob, QueueWindow } from './queue-window.js';

/** What a try is recorded as that the engine no longer knew. */
export const engineLost = 'engine-lost';

/** A job that has ended, with a result for each of its tries (and more, that do not count). */
type EndedJob = [id: string, results: DeliveryResult[]];

/** How the tries end that are with the engine: as their workers said, or because the engine or a worker lost them. */
export class QueueOutcomes {
  constructor(
    private readonly owned: OwnedSubscription,
    private readonly queue: EngineQueue,
    private readonly window: QueueWindow,
    private readonly settings: QueueBridgeSettings,
    private readonly parts: { events: Events<QueueBridgeEvents>; logger: Logger },
  ) {}

  /** Ends what the engine has lost as failed attempts, due again at once. */
  async settleLost(): Promise<number> {
    const missing = await this.queue.missing(this.window.enqueuedIds());
    // One that was settled while this was asked is missing because it was removed.
    const lost = missing.filter((id) => this.window.has(id));
    if (lost.length === 0) return 0;
    const result: DeliveryResult = { kind: 'nack', error: engineLost, delayMs: 0 };
    const count = await this.settle(lost.map((id) => [id, this.job(id).tries.map(() => result)]));
    this.emit('engineLost', count);
    return count;
  }

  /** How the tries of these jobs ended, by what their workers said. Those of jobs that the window does not have are left out. */
  read(outcomes: EngineOutcome[]): EndedJob[] {
    const ended: EndedJob[] = [];
    let misnamed = 0;
    for (const outcome of outcomes) {
      const job = this.window.get(outcome.id);
      if (job === undefined) continue;
      const messageIds = job.tries.map(({ messageId }) => messageId);
      const read = resultsOf(outcome, messageIds.concat(job.others));
      misnamed += read.misnamed;
      ended.push([outcome.id, read.results]);
    }
    if (misnamed > 0) {
      const { topic, group } = this.owned;
      this.parts.logger.warn(
        { topic, group, count: misnamed },
        'workers named failed messages that their jobs do not have',
      );
      this.emit('misnamed', misnamed);
    }
    return ended;
  }

  /** Stores how jobs ended; they are no longer with the engine then. Answers how many tries they were. */
  async settle(ended: EndedJob[]): Promise<number> {
    if (ended.length === 0) return 0;
    const outcomes: DeliveryOutcome[] = [];
    for (const [id, results] of ended) {
      this.job(id).tries.forEach(({ shard, offset, attempt, generation }, index) => {
        outcomes.push({ shard, offset, attempt, generation, result: results[index] as DeliveryResult });
      });
    }
    const settled = await this.owned.settle(outcomes);
    for (const [id] of ended) this.window.delete(id);
    this.ignored(settled.filter((result) => result === 'stale').length);
    return outcomes.length;
  }

  /** Makes claims last whose second half has begun. */
  async extendClaims(now: number): Promise<void> {
    const { claimMs } = this.settings;
    const ending = this.window.endingBefore(now + claimMs / 2);
    if (ending.length === 0) return;
    const results = await this.owned.extend(
      ending.map(([, tried]) => tried),
      claimMs,
    );
    ending.forEach(([id, tried], index) => {
      if (results[index] === 'stale') this.window.deleteTry(id, tried);
      else tried.claimedUntil = now + claimMs;
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
      const outcomes = await this.queue.drain(this.settings.drainMax + this.window.jobCount);
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

  private job(id: string): QueuedJob {
    return this.window.get(id) as QueuedJob;
  }

  private emit(name: keyof QueueBridgeEvents, count: number): void {
    this.parts.events.emit(name, { topic: this.owned.topic, group: this.owned.group, count });
  }
}
