import type { EngineQueue, EngineWorker, JobHandler, QueueEngine } from '../queue-engine.js';
import { MemoryQueue } from './memory-queue.js';

/** The engine of a broker without Redis: jobs are run by handlers in the same process and are forgotten with it. */
export class MemoryEngine implements QueueEngine {
  readonly name = 'memory';
  private readonly queues = new Map<string, MemoryQueue>();

  open(topic: string, group: string): EngineQueue {
    return this.queue(topic, group);
  }

  /** May be called before the subscription exists. Several handlers of one queue share its jobs. */
  process(topic: string, group: string, concurrency: number, handler: JobHandler): EngineWorker {
    return this.queue(topic, group).process(concurrency, handler);
  }

  ping(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private queue(topic: string, group: string): MemoryQueue {
    const name = `${topic}.${group}`;
    let queue = this.queues.get(name);
    if (queue === undefined) this.queues.set(name, (queue = new MemoryQueue()));
    return queue;
  }
}
