import type { StoredMessage } from '../message/message.js';
import type { LogChunk, MessageRef } from '../message/ref.js';
import type { Subscription } from './subscription-store.js';
import type { SigningSecrets } from './catalog-store.js';

/** Half-open runs of offsets `[from, to)`, ascending and apart. */
export type OffsetRanges = [from: number, to: number][];

/** Deliveries given out from the log and not settled. `dueAt`: when their claim ends (epoch ms). */
export interface GivenRange {
  from: number;
  to: number;
  dueAt: number;
}

/** What is stored of one lane: enough for a successor to go on without guessing. */
export interface LaneCursor {
  shard: number;
  /** Every offset below is settled. */
  settledOffset: number;
  /** Settled offsets above it. */
  settledAbove: OffsetRanges;
  /** First attempts that may be with a consumer (persisted before they are given out). Later attempts are in the retry store. */
  given: GivenRange[];
}

export type RetryState =
  /** Waits for `dueAt`. */
  | 'due'
  /** With a consumer; `dueAt` is when its claim ends. */
  | 'given'
  /** Behind an unsettled message of its ordering key, moved out of memory. */
  | 'waiting_for_key';

/** A delivery that is no longer in the log's window. Key: (topic, group, shard, offset). */
export interface RetryEntry {
  shard: number;
  offset: number;
  ref: MessageRef;
  state: RetryState;
  /** Attempts given out so far; 0 for one that only waited for its key. */
  attempt: number;
  dueAt: number;
  error?: string;
  firstFailedAt?: number;
}

/** A delivery that ran out of attempts, or was rejected. */
export interface NewDeadLetter {
  id: string;
  shard: number;
  offset: number;
  ref: MessageRef;
  attempts: number;
  error: string;
  firstFailedAt: number;
  diedAt: number;
}

/** Everything that one owner stores about one subscription at a time; all of it or, when it is fenced, nothing. */
export interface Settlement {
  topic: string;
  group: string;
  /** An older one than the lanes' is fenced. */
  epoch: number;
  /** Counts the owner's writes in this epoch, from 1 on. One that the store runs after a later one is fenced. */
  write: number;
  /** Lanes that changed; at least the lane of every entry below (the fence is checked there). */
  cursors: LaneCursor[];
  /** Inserted or replaced. */
  retriesPut: RetryEntry[];
  retriesDelete: { shard: number; offset: number }[];
  deadLetters: NewDeadLetter[];
}

/** A subscription to be claimed, and the epoch that it was read at. */
export type FreeLease = Pick<Subscription, 'topic' | 'group' | 'epoch'>;

/** What an owner starts from. */
export interface ClaimedSubscription {
  subscription: Subscription;
  secrets: SigningSecrets | null;
  cursors: LaneCursor[];
  /** Whether the retry store or the dead letters have anything of it; where they have not, nothing needs to be read of them. */
  hasEntries: boolean;
}

/** The relay's view of the store. */
export interface LaneStore {
  /** Subscriptions that nobody owns, or whose owner's lease has ended. */
  claimable(now: number, limit: number): Promise<Subscription[]>;
  /**
   * Takes the leases that are still free and at their `epoch`, in one database transaction: raises the epoch on each
   * subscription and its lanes. Answers in the order of `leases`; null where another was faster.
   */
  claim(leases: readonly FreeLease[], nodeId: string, now: number): Promise<(ClaimedSubscription | null)[]>;
  /** Gives the lease back (owner becomes null). False when it was lost before. Unsettled deliveries must have been stored by `settle` first. */
  release(topic: string, group: string, epoch: number): Promise<boolean>;
  /** Chunks of a shard that hold offsets from `fromOffset` on, in order, up to `limit` messages or a little more (whole chunks; refs below `fromOffset` are cut off). */
  readLog(topic: string, shard: number, fromOffset: number, limit: number): Promise<LogChunk[]>;
  /** The messages with these ids that are stored; one that is missing is not in the map. */
  readMessages(ids: string[]): Promise<Map<string, StoredMessage>>;
  /** Next offset per shard of the topics, to see which have grown. */
  heads(topics: string[]): Promise<{ topic: string; shard: number; nextOffset: number }[]>;
  /** Retry entries of state `due` that are due, by due time. */
  dueRetries(topic: string, group: string, now: number, limit: number): Promise<RetryEntry[]>;
  /** Entries of state `given`: in the hands of consumers when the owner changed. */
  givenRetries(topic: string, group: string, limit: number): Promise<RetryEntry[]>;
  /** The first due time of an entry of state `due`; null when there is none. */
  nextRetryAt(topic: string, group: string): Promise<number | null>;
  /** The unsettled entry of an ordering key with the lowest offset; null when there is none. */
  firstOfKey(topic: string, group: string, keyHash: string): Promise<RetryEntry | null>;
  /** Ordering keys with unsettled entries: the lowest (shard, offset) of each and its state; with `blockDead`, dead letters block too. Paged by keyHash. */
  blockedKeys(
    topic: string,
    group: string,
    blockDead: boolean,
    after: string | undefined,
    limit: number,
  ): Promise<{ keyHash: string; shard: number; offset: number; state: RetryState | 'dead' }[]>;
  /**
   * Stores several subscriptions' settlements in one database transaction; `fenced` where the epoch is no longer the owner's: nothing
   * was stored then, but where another owner came just after it was (as when the answer was lost).
   */
  settle(settlements: Settlement[], now: number): Promise<('stored' | 'fenced')[]>;
}
