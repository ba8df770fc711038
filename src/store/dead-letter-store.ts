import type { Page } from './catalog-store.js';

export interface DeadLetter {
  id: string;
  topic: string;
  group: string;
  messageId: string;
  shard: number;
  offset: number;
  key?: string;
  tag?: string;
  attempts: number;
  error: string;
  firstFailedAt: number;
  diedAt: number;
}

/** Which dead letters a call means: by id (at most 500), or all of one subscription. */
export type DeadLetterSelection = { ids: string[] } | { topic: string; group: string };

export interface DeadLetterStore {
  list(filter: { topic?: string; group?: string }, after: string | undefined, limit: number): Promise<Page<DeadLetter>>;
  /** Moves up to `limit` back to the retry store, due at once with their attempts counted afresh; answers how many and of which subscriptions. */
  redrive(
    selection: DeadLetterSelection,
    now: number,
    limit: number,
  ): Promise<{ count: number; subscriptions: { topic: string; group: string }[] }>;
  /** Deletes up to `limit`. */
  discard(
    selection: DeadLetterSelection,
    limit: number,
  ): Promise<{ count: number; subscriptions: { topic: string; group: string }[] }>;
}
