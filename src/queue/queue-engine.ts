/** One try of one delivery, as an engine carries it. The id is unique for (message, generation, attempt). */
export interface EngineJob {
  id: string;
  /** What the worker gets: the message as JSON (the fields of the HTTP contract, plus shard, offset, attempt, bornAt, storedAt). */
  data: Record<string, unknown>;
}

/** A job that has ended in the engine and is not yet removed from it. */
export interface EngineOutcome {
  id: string;
  ok: boolean;
  error?: string;
  data: Record<string, unknown>;
}

/** The queue of one subscription. The engine may lose everything at any time: the store is the truth. */
export interface EngineQueue {
  /** Adds jobs in one go. A job whose id is there already is left as it is. */
  enqueue(jobs: EngineJob[]): Promise<void>;
  /** Jobs that have ended, up to `max`, oldest first; they are given again until removed. */
  drain(max: number): Promise<EngineOutcome[]>;
  /** Forgets ended jobs, after their outcomes were stored. */
  remove(ids: string[]): Promise<void>;
  /** Which of these ids the engine does not know (waiting, running or ended). */
  missing(ids: string[]): Promise<string[]>;
  /** Called when an outcome may wait; a wake-up only, never the only way to learn of one. */
  onOutcome(listener: () => void): () => void;
  setPaused(paused: boolean): Promise<void>;
  /** Removes the queue with all its jobs (the subscription was deleted). */
  obliterate(): Promise<void>;
  close(): Promise<void>;
}

/** Hands each delivery to one worker at a time and reports how it ended. */
export interface QueueEngine {
  readonly name: 'bull' | 'memory';
  /** The queue named `{topic}.{group}`. */
  open(topic: string, group: string): EngineQueue;
  /** Whether the engine answers, for readiness. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
