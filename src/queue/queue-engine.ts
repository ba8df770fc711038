/** One try of one delivery, or those of several, as an engine carries them. */
export interface EngineJob {
  /** Unique for (message, generation, attempt). That of a pack, a job of several messages, for all of them together; it begins with `packIdLead`. */
  id: string;
  /**
   * What the worker gets, as JSON text: the message (the fields of the HTTP contract, plus shard, offset, attempt, bornAt,
   * storedAt); of a pack `{"messages":[…]}`.
   */
  json: string;
  /** Only of a pack: the ids that its tries would have as jobs of their own. */
  tries?: string[];
}

/** Leads the ids of packs and of no other jobs: no id of a message has it. Of packs an engine tells more. */
export const packIdLead = '+';

/** A pack that an engine knows, waiting, running or ended. */
export interface EnginePack {
  id: string;
  tries: string[];
}

/** What workers may return for a pack, as JSON text: beyond it the pack has failed, with the error `result-too-large`. */
export const returnedBytesMax = 2 * 1024 * 1024;
export const resultTooLarge = 'result-too-large';
/** After so much of such text a drain stops short of its `max`. */
export const drainedBytesMax = 4 * 1024 * 1024;

/** A job that has ended in the engine and is not yet removed from it. */
export interface EngineOutcome {
  id: string;
  ok: boolean;
  /** Why it failed, cut to 4,000 bytes. Only where `ok` is false. */
  error?: string;
  /** What the worker returned for a pack, as JSON text. Only where `ok` is true, and absent where it returned nothing. */
  returned?: string;
}

/** The queue of one subscription. The engine may lose everything at any time: the store is the truth. */
export interface EngineQueue {
  /** Adds jobs in one go, in their order. A job whose id is there already is left as it is. Throws when some may not have been added. */
  enqueue(jobs: EngineJob[]): Promise<void>;
  /**
   * Jobs that have ended, up to `max`, oldest first (by the millisecond) among those that succeeded and among those that
   * failed; they are given again until removed. Fewer than there are where workers returned more than `drainedBytesMax`.
   */
  drain(max: number): Promise<EngineOutcome[]>;
  /** Forgets ended jobs, after their outcomes were stored. Others are left as they are. */
  remove(ids: string[]): Promise<void>;
  /** The packs that it knows, those that have ended before all others. */
  packs(): Promise<EnginePack[]>;
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

/** Handles one job; throwing is a failed attempt, whose error is the thrown message. What it returns matters for packs only. */
export type JobHandler = (data: Record<string, unknown>) => Promise<unknown> | unknown;

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
