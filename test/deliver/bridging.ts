import { QueueBridge } from '../../src/deliver/queue-bridge.js';
import type { QueueBridgeSettings } from '../../src/deliver/queue-bridge-settings.js';
import { MemoryEngine } from '../../src/queue/memory/memory-engine.js';
import type { EngineQueue, EngineWorker, JobHandler } from '../../src/queue/queue-engine.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { countedIn, noCounts, type BridgeCounts } from './bridge-counts.js';
import { FakeOwnedSubscription } from './fake-owned-subscription.js';

/** A memory engine that fails as one over a network does. */
class UnsteadyEngine extends MemoryEngine {
  /** While set, every call fails before it has done anything. */
  away = false;
  /** While set, removals alone fail, as when Redis goes away between a drain and them. */
  removalsFail = false;
  /** So many of the next enqueues are done and fail all the same: the answer was lost. */
  answersLost = 0;
  /** While set, calls to enqueue wait for it before anything is done. */
  enqueueAfter: Promise<void> | undefined;

  override open(topic: string, group: string): EngineQueue {
    const queue = super.open(topic, group);
    return new Proxy(queue, {
      get: (target, name: keyof EngineQueue) => {
        if (name === 'onOutcome' || name === 'close') return target[name].bind(target);
        return async (...args: never[]) => {
          if (this.away || (name === 'remove' && this.removalsFail)) throw new Error('the engine is away');
          if (name === 'enqueue') await this.enqueueAfter;
          const answer = await (target[name] as (...args: never[]) => Promise<unknown>).apply(target, args);
          if (name === 'enqueue' && this.answersLost-- > 0) throw new Error('the answer was lost');
          return answer;
        };
      },
    });
  }
}

/** A subscription and an engine in memory, both of which can be away, the bridges between them, and a clock that stands. */
export class Bridging {
  nowMs = 1_000_000;
  readonly clock = { now: (): number => this.nowMs };
  readonly engine = new UnsteadyEngine();
  owned = new FakeOwnedSubscription('orders', this.clock);
  readonly counts: BridgeCounts = { ...noCounts };
  readonly #bridges: QueueBridge[] = [];

  /** A bridge that is not started; stopped with the test. */
  bridge(settings: Partial<QueueBridgeSettings> = {}, of = this.owned): QueueBridge {
    const parts = { engine: this.engine, clock: this.clock, logger: silentLogger, events: countedIn(this.counts) };
    const made = new QueueBridge(of, parts, { retryMs: 1, ...settings });
    this.#bridges.push(made);
    return made;
  }

  /** Workers in this process, `concurrency` of them. */
  work(handler: JobHandler, concurrency = 10): EngineWorker {
    return this.engine.process(this.owned.topic, this.owned.group, concurrency, handler);
  }

  queue(): EngineQueue {
    return this.engine.open(this.owned.topic, this.owned.group);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#bridges.map((bridge) => bridge.stop()));
  }
}
