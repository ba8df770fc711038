import type { LogChunk } from '../message/ref.js';

/** Delayed messages that are committed and not yet due. */
export interface ScheduleStore {
  /** Appends up to `limit` due messages to the shard log and removes them from the schedule, in one database transaction. Safe on every node. */
  appendDue(now: number, limit: number): Promise<LogChunk[]>;
  /** When the next message is due (epoch ms); null when none waits. */
  nextDueAt(): Promise<number | null>;
  /** Recalls a delayed message: `recalled`, also when it was recalled before; `not-recallable` when due or never delayed; `message-not-found`. */
  recall(messageId: string, now: number): Promise<'recalled' | 'not-recallable' | 'message-not-found'>;
}
