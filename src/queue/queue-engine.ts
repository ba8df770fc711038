/** One try of one delivery, as an engine carries it. The id is unique for (message, generation, attempt). */
export interface EngineJob {
  id: string;
  /** What the worker gets, as JSON text: the message (the fields of the HTTP contract, plus shard, offset, attempt, bornAt, storedAt). */
  json: string;
}

/** A job that has ended in the engine and is not yet removed from it. */
export interface EngineOutcome {
  id: string;
  ok: boolean;
  /** Why it failed, cut to 4,000 bytes. Only where `ok` is false. */
  error?: string;
}

/** The queue of one subscription. The engine may lose everything at any time: the store is the truth. */
export interface EngineQueue {
  /** Adds jobs in one go, in their order. A job whose id is there already is left as it is. Throws when some may not have been added. */
  enqueue(jobs: EngineJob[]): Promise<void>;
  /**
   * Jobs that have ended, up to `max`, oldest first (by the millisecond) among those that succeeded and among those that
   * failed; they are given again until removed.
   */
  drain(max: number): Promise<EngineOutcome[]>;
  /** Forgets ended jobs, after their outcomes were stored. Others are left as they are. */
  remove(ids: string[]): Promise<void>;
  /** Which of these ids the engine does not know (waiting, running or ended). */
  missing(ids: string[]): Promise<string[]>;
  /** Removes the waiting jobs that are not among these: a new owner clears away what no longer counts. Answers how many. */
  retainWaiting(ids: string[]): Promise<number>;
  /**
   * Ends, as failed with the error `worker-lost`, the running jobs whose worker has gone. To be called every few seconds
   * at least: a job that looks abandoned at one call is ended by the next. Answers how many were ended.
   */
  failAbandoned(): Promise<number>;
  /** Called when an outcome may wait; a wake-up only, never the only way to learn of one. */
  onOutcome(listener: () => void): () => void;
  setPaused(paused: boolean): Promise<void>;
  /** Removes the queue with all its jobs (the subscription was deleted). */
  obliterate(): Promise<void>;
  /** Lets go of what this object holds. The queue and its jobs stay. */
  close(): Promise<void>;
}

/** Handles one message; throwing is a failed attempt, whose error is the thrown message. */
export type JobHandler = (message: Record<string, unknown>) => Promise<unknown> | unknown;

/** Runs a handler in this process. */
export interface EngineWorker {
  /** Takes no further job and resolves when those in hand have ended. */
  close(): Promise<void>;
}

/** Hands each delivery to one worker at a time and reports how it ended. */
export interface QueueEngine {
  readonly name: 'bull' | 'memory';
  /** The queue named `{topic}.{group}`. Opening it twice gives two views of the same jobs. */
  open(topic: string, group: string): EngineQueue;
  /** Runs `handler` in this process for the jobs of that queue, at most `concurrency` at once. */
  process(topic: string, group: string, concurrency: number, handler: JobHandler): EngineWorker;
  /** Whether the engine answers, for readiness. Throws when it does not. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
