import type { EngineQueue, EngineWorker, JobHandler, QueueEngine } from '../queue-engine.js';
import type { Logger } from '../../runtime/logger.js';
import { BullQueue } from './bull-queue.js';
import { startBullWorker } from './bull-worker.js';
import type { BullPlace } from './open-bull-queue.js';
import type { RedisConnections } from './redis-connections.js';

export interface BullEngineOptions {
  /** What every key begins with; Bull workers set the same one. Default `halfbox`. */
  prefix?: string;
}

/** Hands deliveries to Bull workers through Redis. All open queues share the two given connections. */
export class BullEngine implements QueueEngine {
  readonly name = 'bull';
  private readonly prefix: string;
  private readonly workers = new Set<EngineWorker>();

  /** @param connections stay open when the engine is closed; they may serve others too */
  constructor(
    private readonly connections: RedisConnections,
    private readonly logger: Logger,
    options: BullEngineOptions = {},
  ) {
    this.prefix = options.prefix ?? 'halfbox';
  }

  open(topic: string, group: string): EngineQueue {
    return new BullQueue(this.place(topic, group));
  }

  /** An ordinary Bull worker in this process; it opens one connection of its own, to block on. */
  process(topic: string, group: string, concurrency: number, handler: JobHandler): EngineWorker {
    const worker = startBullWorker(this.place(topic, group), this.logger, concurrency, handler);
    const entry: EngineWorker = {
      close: async () => {
        this.workers.delete(entry);
        await worker.close();
      },
    };
    this.workers.add(entry);
    return entry;
  }

  async ping(): Promise<void> {
    await this.connections.client.ping();
  }

  /** Ends the workers of this process, after the jobs that they have in hand. */
  async close(): Promise<void> {
    await Promise.all([...this.workers].map((worker) => worker.close()));
  }

  private place(topic: string, group: string): BullPlace {
    return { connections: this.connections, prefix: this.prefix, queueName: `${topic}.${group}` };
  }
}
