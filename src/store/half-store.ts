import type { Clock } from '../message/clock.js';
import type { IdentifiedMessage, Placement } from '../message/message.js';
import type { Outcome } from '../message/problem.js';
import type { LogChunk } from '../message/ref.js';
import type { Resolver, TransactionState } from '../message/transaction.js';

/** One transaction to prepare. */
export interface PrepareItem {
  transactionId: string;
  producer: string;
  /** 1..100 messages, ids unique within the item. */
  messages: IdentifiedMessage[];
  firstCheckAfterMs: number;
  /** The producer's process that prepares it; not part of its content, so a repeat by another process is a repeat. */
  instance?: string;
}

export interface PreparedTransaction {
  id: string;
  state: TransactionState;
  firstCheckAt: number;
  messages: { id: string; topic: string }[];
  /** True when the transaction was there already with the same content; ids and state are those of then and now. */
  repeated: boolean;
}

/** One resolution or one plain send: what may append to the shard log. */
export type AppendItem =
  | { kind: 'commit' | 'rollback'; transactionId: string; by: Resolver; reason?: string }
  | { kind: 'send'; messages: IdentifiedMessage[] };

/** A message of a resolved transaction or a send: placed, waiting for its time, or (after a rollback) neither. */
export interface AppendedMessage {
  id: string;
  topic: string;
  placement?: Placement;
  deliverAt?: number;
}

export interface AppendResult {
  /** Set for a commit or a rollback. */
  transaction?: { id: string; state: TransactionState; resolvedBy: Resolver; resolvedAt: number };
  messages: AppendedMessage[];
  /** True when the item had been done before and is answered like then. */
  repeated: boolean;
}

/** The half store and the writing end of the shard log. Each call is one durable database transaction. */
export interface HalfStore {
  /**
   * Stores half messages. Outcomes are in the order of the items; a bad item fails alone:
   * `id-reused` (same id, other content).
   */
  prepare(items: PrepareItem[], now: number): Promise<Outcome<PreparedTransaction>[]>;
  /**
   * Resolves transactions and appends messages to the shard log, offsets gap-free, under the shards' row locks.
   * Each item alone: `transaction-not-found`, `transaction-already-committed`, `transaction-already-rolled-back`,
   * `id-reused`, `topic-not-found`. A repeat is answered like the first time and appends nothing.
   * `chunks` are the log chunks that this call wrote, so that relays need not read them back.
   * @param clock read again under the shards' locks for the time of the chunks, so that a reader who starts at a time misses
   * nothing that was answered after it
   * @param deleteAfterMs how long the transaction rows are kept after they were resolved
   */
  append(
    items: AppendItem[],
    clock: Clock,
    deleteAfterMs: number,
  ): Promise<{ outcomes: Outcome<AppendResult>[]; chunks: LogChunk[] }>;
}
