import { randomUUID } from 'node:crypto';
import Bull from 'bull';
import { QueueBridge } from '../../src/deliver/queue-bridge.js';
import { systemClock } from '../../src/message/clock.js';
import { BullEngine } from '../../src/queue/bull/bull-engine.js';
import { RedisConnections } from '../../src/queue/bull/redis-connections.js';
import type { EngineQueue } from '../../src/queue/queue-engine.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { countedIn, noCounts, type BridgeCounts } from '../deliver/bridge-counts.js';
import { FakeOwnedSubscription } from '../deliver/fake-owned-subscription.js';
import { PrivateRedis } from './private-redis.js';
import { WorkerProcess } from './worker-process.js';

export const prefix = 'halfbox';

/** The engine on a Redis of the suite's own, and what a test has started: bridges, and workers in other processes. */
export class BullFixture {
  /** One of its own for each test. */
  topic = '';
  counts: BridgeCounts = { ...noCounts };
  readonly engine: BullEngine;
  readonly #connections: RedisConnections;
  readonly #cleanUp: (() => Promise<unknown>)[] = [];

  private constructor(readonly redis: PrivateRedis) {
    this.#connections = new RedisConnections(redis.url, silentLogger, { reconnectMsMax: 100 });
    this.engine = new BullEngine(this.#connections, silentLogger);
  }

  static async start(): Promise<BullFixture> {
    return new BullFixture(await PrivateRedis.start());
  }

  begin(): void {
    this.topic = `orders-${randomUUID()}`;
    this.counts = { ...noCounts };
  }

  /** Bull's name of the queue of group `mail`. */
  get queueName(): string {
    return `${this.topic}.mail`;
  }

  queue(): EngineQueue {
    return this.engine.open(this.topic, 'mail');
  }

  /** The same queue as Bull alone has it. */
  plainQueue(): Bull.Queue {
    const queue = new Bull(this.queueName, this.redis.url, { prefix });
    this.after(() => queue.close());
    return queue;
  }

  /** Done after the test, in the reverse order. */
  after(clean: () => Promise<unknown>): void {
    this.#cleanUp.push(clean);
  }

  /** A plain Bull worker in a process of its own. */
  async worker(concurrency = 5): Promise<WorkerProcess> {
    const started = await WorkerProcess.start(this.redis.url, prefix, this.queueName, concurrency);
    this.after(() => started.kill());
    return started;
  }

  /** A subscription in memory, whose messages are carried. */
  async subscription(bodyOf?: (offset: number) => string, messagesPerJob?: number): Promise<FakeOwnedSubscription> {
    const owned = new FakeOwnedSubscription(this.topic, systemClock, 0, bodyOf);
    if (messagesPerJob !== undefined) owned.config.messagesPerJob = messagesPerJob;
    await this.carry(owned);
    return owned;
  }

  /** Carries a subscription's messages to the queue, and what became of them back. */
  async carry(owned: FakeOwnedSubscription): Promise<QueueBridge> {
    const parts = { engine: this.engine, clock: systemClock, logger: silentLogger, events: countedIn(this.counts) };
    const settings = { reconcileMs: 200, pollMs: 100, retryMs: 10, retryMsMax: 100 };
    const made = new QueueBridge(owned, parts, settings);
    await made.start();
    this.after(() => made.stop());
    return made;
  }

  /** Ends what the test has started, and empties Redis. */
  async reset(): Promise<void> {
    for (const clean of this.#cleanUp.splice(0).reverse()) await clean();
    await this.redis.ask((client) => client.flushall());
  }

  async stop(): Promise<void> {
    this.#connections.close();
    await this.redis.stop();
  }
}
