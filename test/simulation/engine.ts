import type { EngineJob, EngineOutcome, EnginePack, EngineQueue, QueueEngine } from '../../src/queue/queue-engine.js';
import type { Link } from './links.js';
import type { Owner, World } from './world.js';

interface JobState extends EngineJob {
  state: 'waiting' | 'active' | 'ended';
  worker?: Owner;
  ok?: boolean;
  error?: string;
}

/** The jobs of one subscription, as Redis would hold them: shared by all nodes and workers, and lost when it is wiped. */
export class QueueState {
  readonly jobs = new Map<string, JobState>();
  readonly listeners = new Set<() => void>();
  paused = false;
  readonly #suspects = new Set<string>();

  /** The next job for a worker; undefined when there is none. */
  next(worker: Owner): JobState | undefined {
    if (this.paused) return undefined;
    for (const job of this.jobs.values()) {
      if (job.state !== 'waiting') continue;
      job.state = 'active';
      job.worker = worker;
      return job;
    }
    return undefined;
  }

  /** A worker has ended a job; nothing where the job is not its own any more. */
  end(job: JobState, ok: boolean, error?: string): boolean {
    if (this.jobs.get(job.id) !== job || job.state !== 'active') return false;
    job.state = 'ended';
    job.ok = ok;
    if (error !== undefined) job.error = error;
    for (const listener of this.listeners) listener();
    return true;
  }

  wipe(): void {
    this.jobs.clear();
    this.paused = false;
  }

  drain(max: number): EngineOutcome[] {
    const ended = [...this.jobs.values()].filter(({ state }) => state === 'ended').slice(0, max);
    return ended.map(({ id, ok = false, error }) => ({ id, ok, ...(error !== undefined && { error }) }));
  }

  packs(): EnginePack[] {
    return [...this.jobs.values()].flatMap(({ id, tries }) => (tries === undefined ? [] : { id, tries }));
  }

  enqueue(jobs: EngineJob[]): void {
    for (const job of jobs) if (!this.jobs.has(job.id)) this.jobs.set(job.id, { ...job, state: 'waiting' });
  }

  remove(ids: string[]): void {
    for (const id of ids) if (this.jobs.get(id)?.state === 'ended') this.jobs.delete(id);
  }

  retainWaiting(ids: string[]): number {
    const kept = new Set(ids);
    const others = [...this.jobs.values()].filter(({ id, state }) => state === 'waiting' && !kept.has(id));
    for (const { id } of others) this.jobs.delete(id);
    return others.length;
  }

  /** Ends the running jobs whose worker was gone at the last call already. */
  failAbandoned(isGone: (worker: Owner) => boolean): number {
    let count = 0;
    for (const job of this.jobs.values()) {
      if (job.state !== 'active' || !isGone(job.worker!)) {
        this.#suspects.delete(job.id);
      } else if (this.#suspects.delete(job.id)) {
        if (this.end(job, false, 'worker-lost')) count += 1;
      } else this.#suspects.add(job.id);
    }
    return count;
  }
}

/** The engine beside the nodes. */
export class EngineModel {
  readonly #queues = new Map<string, QueueState>();

  constructor(private readonly world: World) {}

  queue(topic: string, group: string): QueueState {
    const name = `${topic}.${group}`;
    let queue = this.#queues.get(name);
    if (queue === undefined) this.#queues.set(name, (queue = new QueueState()));
    return queue;
  }

  /** Everything that it held is gone. */
  wipe(): void {
    for (const queue of this.#queues.values()) queue.wipe();
  }

  /** The engine as one node sees it, over its link. */
  linked(owner: Owner, link: Link): QueueEngine {
    return {
      name: 'bull',
      open: (topic, group) => this.#open(this.queue(topic, group), owner, link),
      process: () => {
        throw new Error('workers of the simulation are beside the nodes');
      },
      ping: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
  }

  #open(queue: QueueState, owner: Owner, link: Link): EngineQueue {
    const { world } = this;
    const call = <T>(name: string, work: () => T): Promise<T> => link.call(`queue.${name}`, false, async () => work());
    const isGone = (worker: Owner): boolean => world.isDead(worker) || world.isStalled(worker);
    return {
      enqueue: (jobs) => call('enqueue', () => queue.enqueue(jobs)),
      drain: (max) => call('drain', () => queue.drain(max)),
      remove: (ids) => call('remove', () => queue.remove(ids)),
      packs: () => call('packs', () => queue.packs()),
      missing: (ids) => call('missing', () => ids.filter((id) => !queue.jobs.has(id))),
      retainWaiting: (ids) => call('retainWaiting', () => queue.retainWaiting(ids)),
      failAbandoned: () => call('failAbandoned', () => queue.failAbandoned(isGone)),
      onOutcome: (listener) => {
        const tell = (): void => void world.after(1, owner, listener);
        queue.listeners.add(tell);
        return () => void queue.listeners.delete(tell);
      },
      setPaused: (paused) => call('setPaused', () => void (queue.paused = paused)),
      obliterate: () => call('obliterate', () => queue.wipe()),
      close: () => Promise.resolve(),
    };
  }
}
