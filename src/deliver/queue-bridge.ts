import type { Clock } from '../message/clock.js';
import { reached } from '../message/step.js';
import { drainedBytesMax, type EngineJob, type EngineQueue, type QueueEngine } from '../queue/queue-engine.js';
import type { OwnedSubscription, SubscriptionConsumer } from '../relay/owned-subscription.js';
import type { Events } from '../runtime/events.js';
import type { Logger } from '../runtime/logger.js';
import { Loop } from '../runtime/loop.js';
import { packJobs } from './pack-jobs.js';
import { queueBridgeDefaults, type QueueBridgeEvents, type QueueBridgeSettings } from './queue-bridge-settings.js';
import { QueueOutcomes } from './queue-outcomes.js';
import { QueueWindow } from './queue-window.js';

export interface QueueBridgeParts {
  engine: QueueEngine;
  /** The store's time. */
  clock: Clock;
  logger: Logger;
  events: Events<QueueBridgeEvents>;
}

/**
 * Carries one owned subscription to its queue and the outcomes back. A job is removed from the engine only after its
 * outcome is stored; what the engine lost is tried again as the next attempt; while the engine or the store is away,
 * everything waits and is tried again. So the engine can be wiped at any time, and nothing is lost.
 */
export class QueueBridge implements SubscriptionConsumer {
  private readonly settings: QueueBridgeSettings;
  private readonly window: QueueWindow;
  private readonly queue: EngineQueue;
  private readonly outcomes: QueueOutcomes;
  private readonly filling: Loop;
  private readonly settling: Loop;
  private stopListening: (() => void)[] = [];
  /** Whether what an earlier owner left in the engine is known. */
  private adopted = false;
  /** Given out and perhaps not in the engine. */
  private unsent: EngineJob[] = [];
  /** Being given to the engine. */
  private enqueuing: Promise<void> = Promise.resolve();
  /** Stored and perhaps still in the engine. */
  private unremoved: string[] = [];
  /**
   * Tries are being given back unhandled. They come again under the same names, so nothing is enqueued until the jobs that
   * carried them are gone: else these would stand in the way, or answer a successor that asks which job carries a try.
   */
  private givingBack = false;
  private outcomeWaiting = false;
  private queuePaused: boolean | undefined;
  private reconcileAt = 0;

  constructor(
    private readonly owned: OwnedSubscription,
    private readonly parts: QueueBridgeParts,
    settings: Partial<QueueBridgeSettings> = {},
  ) {
    this.settings = { ...queueBridgeDefaults, ...settings };
    const { windowMax, windowCharactersMax } = this.settings;
    this.window = new QueueWindow(windowMax, windowCharactersMax);
    this.queue = parts.engine.open(owned.topic, owned.group);
    this.outcomes = new QueueOutcomes(owned, this.queue, this.window, this.settings, parts);
    this.filling = this.loop('fill', () => this.fill());
    this.settling = this.loop('settle', (now) => this.settleAndReconcile(now));
  }

  /** Resolves at once; the engine may be away. */
  start(): Promise<void> {
    this.stopListening = [
      this.owned.onReady(() => this.filling.wake()),
      this.queue.onOutcome(() => {
        this.outcomeWaiting = true;
        const many = this.window.count > 64 && this.window.jobCount > 8;
        this.settling.wake(many ? this.settings.lingerMs : 0);
      }),
    ];
    this.filling.start();
    this.settling.start();
    return Promise.resolve();
  }

  /** Workers keep the jobs they have: a successor settles them. Bounded by what one call to engine and store may take. */
  async stop(): Promise<void> {
    for (const stop of this.stopListening.splice(0)) stop();
    await Promise.all([this.filling.stop(), this.settling.stop()]);
    try {
      if (this.adopted) {
        await this.send();
        this.outcomeWaiting = true;
        await this.settleEnded();
        // What waited for jobs to be removed.
        await this.send();
      }
    } catch (error) {
      const { topic, group } = this.owned;
      this.parts.logger.debug({ err: error, topic, group }, 'a queue was left without settling what had ended');
    }
    await this.queue.close();
  }

  /** Takes what there is room for and enqueues it. Answers whether more may be ready. */
  async fill(): Promise<boolean> {
    if (!this.adopted) await this.adopt();
    await this.followPause();
    await this.send();
    const most = Math.min(this.window.room, this.settings.takeMax);
    if (most === 0) return false;
    const deliveries = await this.owned.take(most, this.settings.claimMs);
    const { messagesPerJob = 1 } = this.owned.config;
    for (const { job, deliveries: carried } of packJobs(deliveries, messagesPerJob, this.settings.jobCharactersMax)) {
      this.window.add(job.id, carried, job.json.length);
      this.unsent.push(job);
    }
    await this.send();
    return deliveries.length === most;
  }

  /** Stores outcomes, then removes their jobs. Answers whether more may wait. */
  async settleEnded(): Promise<boolean> {
    await this.removeStored();
    if (!this.adopted || (this.window.count === 0 && !this.outcomeWaiting)) return false;
    this.outcomeWaiting = false;
    const outcomes = await this.queue.drain(this.settings.drainMax);
    // What is unknown here may be the outcome of another owner's job by now, and must not be removed.
    if (outcomes.length === 0 || !this.owned.holds) return false;
    reached('queue.drained-before-settle');
    const ended = this.outcomes.read(outcomes);
    this.givingBack = ended.some(([, results]) => results.some(({ kind }) => kind === 'release'));
    await this.outcomes.settle(ended);
    // Whatever this owner did not give out, or take over, counts no longer.
    this.outcomes.ignored(outcomes.length - ended.length);
    this.unremoved = outcomes.map(({ id }) => id);
    this.filling.wake();
    await this.removeStored();
    const returnedSize = outcomes.reduce((sum, { returned = '' }) => sum + returned.length, 0);
    return outcomes.length >= this.settings.drainMax || returnedSize * 4 > drainedBytesMax;
  }

  /** Finds what the engine has lost and whose workers have gone, and makes claims last. */
  async reconcile(): Promise<void> {
    if (!this.adopted || this.window.count === 0) return;
    // The engine may have forgotten it, or remember an older one.
    this.queuePaused = undefined;
    if ((await this.outcomes.failAbandoned()) > 0) {
      this.outcomeWaiting = true;
      this.settling.wake();
    }
    if ((await this.outcomes.settleLost()) > 0) this.filling.wake();
    await this.outcomes.extendClaims(this.parts.clock.now());
  }

  /** One after the other: what is being settled must not look lost, or its claim ended, to the other. */
  private async settleAndReconcile(now: number): Promise<boolean> {
    const more = await this.settleEnded();
    if (now >= this.reconcileAt) {
      await this.reconcile();
      this.reconcileAt = now + this.settings.reconcileMs;
    }
    return more;
  }

  /** Learns what an earlier owner has left with the engine. */
  private async adopt(): Promise<void> {
    const inFlight = await this.owned.inFlight();
    this.window.adopt(inFlight, inFlight.length > 0 ? await this.queue.packs() : []);
    await this.outcomes.clearForeign();
    await this.outcomes.settleLost();
    reached('queue.adopted');
    this.adopted = true;
    this.outcomeWaiting = true;
    this.settling.wake();
  }

  private async send(): Promise<void> {
    // A job of a call that failed may have been added all the same, and have been settled since.
    this.unsent = this.unsent.filter(({ id }) => this.window.has(id));
    if (this.unsent.length === 0 || this.givingBack) return;
    // What is another node's by now would run there as well, and perhaps after later messages of its key.
    if (!this.owned.holds) return;
    const jobs = this.unsent;
    reached('queue.given-before-enqueue');
    const enqueued = this.queue.enqueue(jobs);
    this.enqueuing = enqueued.catch(() => {});
    await enqueued;
    reached('queue.enqueued');
    this.unsent = [];
    for (const { id } of jobs) {
      const queued = this.window.get(id);
      if (queued !== undefined) queued.enqueued = true;
    }
  }

  private async removeStored(): Promise<void> {
    if (this.unremoved.length > 0) {
      // A job that is being given again, its first answer being lost, would be a new one if it were removed before that.
      await this.enqueuing;
      reached('queue.settled-before-remove');
      await this.queue.remove(this.unremoved);
      reached('queue.removed');
    }
    this.unremoved = [];
    if (!this.givingBack) return;
    this.givingBack = false;
    this.filling.wake();
  }

  private async followPause(): Promise<void> {
    const { paused } = this.owned;
    if (paused === this.queuePaused) return;
    await this.queue.setPaused(paused);
    this.queuePaused = paused;
  }

  private loop(name: string, run: (now: number) => Promise<boolean>): Loop {
    const { pollMs: intervalMs, retryMs, retryMsMax } = this.settings;
    const { clock, logger } = this.parts;
    const { topic, group } = this.owned;
    return new Loop(run, { name: `queue-${name} ${topic}.${group}`, intervalMs, clock, logger, retryMs, retryMsMax });
  }
}
