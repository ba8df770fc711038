import {
  drainedBytesMax,
  type EngineJob,
  type EngineOutcome,
  type EnginePack,
  type EngineQueue,
  type EngineWorker,
  type JobHandler,
  resultTooLarge,
  returnedBytesMax,
} from '../queue-engine.js';
import { errorText } from '../error-text.js';

interface Registration {
  handler: JobHandler;
  concurrency: number;
  running: number;
  closed: boolean;
  idle: (() => void)[];
}

/** The jobs of one subscription in this process, in the order in which they were enqueued. They end with the process. */
export class MemoryQueue implements EngineQueue {
  /** Every known job: waiting, running or ended. */
  private readonly jobs = new Map<string, EngineJob>();
  private readonly waiting = new Set<string>();
  /** With what was returned for packs, as JSON text. */
  private readonly succeeded = new Map<string, string | undefined>();
  private readonly failed = new Map<string, string>();
  private readonly registrations: Registration[] = [];
  private readonly listeners = new Set<() => void>();
  private paused = false;

  enqueue(jobs: EngineJob[]): Promise<void> {
    for (const job of jobs) {
      if (this.jobs.has(job.id)) continue;
      this.jobs.set(job.id, job);
      this.waiting.add(job.id);
    }
    this.dispatch();
    return Promise.resolve();
  }

  drain(max: number): Promise<EngineOutcome[]> {
    const failed: EngineOutcome[] = [];
    for (const [id, error] of this.failed) {
      if (failed.length >= Math.max(max - this.succeeded.size, max >> 1)) break;
      failed.push({ id, ok: false, error });
    }
    const outcomes: EngineOutcome[] = [];
    let bytes = 0;
    for (const [id, returned] of this.succeeded) {
      if (outcomes.length + failed.length >= max || bytes > drainedBytesMax) break;
      outcomes.push(returned === undefined ? { id, ok: true } : { id, ok: true, returned });
      bytes += returned?.length ?? 0;
    }
    return Promise.resolve([...outcomes, ...failed]);
  }

  packs(): Promise<EnginePack[]> {
    const ended: EnginePack[] = [];
    const others: EnginePack[] = [];
    for (const { id, tries } of this.jobs.values()) {
      if (tries === undefined) continue;
      (this.succeeded.has(id) || this.failed.has(id) ? ended : others).push({ id, tries });
    }
    return Promise.resolve([...ended, ...others]);
  }

  remove(ids: string[]): Promise<void> {
    for (const id of ids) {
      const ended = this.succeeded.delete(id) || this.failed.delete(id);
      if (ended) this.jobs.delete(id);
    }
    return Promise.resolve();
  }

  missing(ids: string[]): Promise<string[]> {
    return Promise.resolve(ids.filter((id) => !this.jobs.has(id)));
  }

  retainWaiting(ids: string[]): Promise<number> {
    const retained = new Set(ids);
    const others = [...this.waiting].filter((id) => !retained.has(id));
    for (const id of others) {
      this.waiting.delete(id);
      this.jobs.delete(id);
    }
    return Promise.resolve(others.length);
  }

  /** Always 0: a handler in this process cannot go without the jobs. */
  failAbandoned(): Promise<number> {
    return Promise.resolve(0);
  }

  onOutcome(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  setPaused(paused: boolean): Promise<void> {
    this.paused = paused;
    this.dispatch();
    return Promise.resolve();
  }

  /** Running handlers run on; how they end is not kept. */
  obliterate(): Promise<void> {
    this.jobs.clear();
    this.waiting.clear();
    this.succeeded.clear();
    this.failed.clear();
    this.paused = false;
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  process(concurrency: number, handler: JobHandler): EngineWorker {
    const registration: Registration = { handler, concurrency, running: 0, closed: false, idle: [] };
    this.registrations.push(registration);
    this.dispatch();
    return {
      close: () => {
        registration.closed = true;
        const at = this.registrations.indexOf(registration);
        if (at >= 0) this.registrations.splice(at, 1);
        if (registration.running === 0) return Promise.resolve();
        return new Promise((resolve) => registration.idle.push(resolve));
      },
    };
  }

  private dispatch(): void {
    for (const registration of this.registrations) {
      while (!this.paused && !registration.closed && registration.running < registration.concurrency) {
        const next = this.waiting.values().next();
        if (next.done) return;
        this.waiting.delete(next.value);
        registration.running++;
        void this.run(registration, this.jobs.get(next.value) as EngineJob);
      }
    }
  }

  private async run(registration: Registration, job: EngineJob): Promise<void> {
    try {
      const returned = await registration.handler(JSON.parse(job.json) as Record<string, unknown>);
      const text = job.tries && JSON.stringify(returned);
      if (Buffer.byteLength(text ?? '') > returnedBytesMax) throw new Error(resultTooLarge);
      if (this.jobs.get(job.id) === job) this.succeeded.set(job.id, text);
    } catch (error) {
      if (this.jobs.get(job.id) === job) this.failed.set(job.id, errorText(error));
    }
    registration.running--;
    for (const listener of this.listeners) listener();
    this.dispatch();
    if (registration.running === 0) for (const resolve of registration.idle.splice(0)) resolve();
  }
}
