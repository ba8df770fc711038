import type { Clock } from '../../../src/message/clock.js';
import { orderingKeyHash } from '../../../src/message/ordering-key.js';
import type { IdentifiedMessage, Placement, StoredMessage } from '../../../src/message/message.js';
import type { LogChunk, MessageRef } from '../../../src/message/ref.js';
import type { CheckAttempt, Resolver, TransactionState } from '../../../src/message/transaction.js';
import type { AuditEntry, Producer, SigningSecrets, Topic } from '../../../src/store/catalog-store.js';
import type { NewDeadLetter, LaneCursor, RetryEntry } from '../../../src/store/lane-store.js';
import type { AppendedMessage } from '../../../src/store/half-store.js';
import type { NodeRow } from '../../../src/store/node-store.js';
import type { ProducerStream } from '../../../src/store/stream-store.js';
import type { Subscription } from '../../../src/store/subscription-store.js';

export interface TransactionRow {
  id: string;
  producer: string;
  instance: string | undefined;
  state: TransactionState;
  /** Prepared: the next check; parked: since when; resolved: when it may be deleted. */
  dueAt: number;
  claimToken: string | null;
  claimedUntil: number;
  asked: number;
  answered: number;
  preparedAt: number;
  firstCheckAt: number;
  refs: (MessageRef & { topic: string; delayMs: number | undefined; deliverAt: number | undefined })[];
  /** As the first resolution answered them; empty while it is open. */
  messages: AppendedMessage[];
  resolvedAt: number;
  resolvedBy: Resolver;
  reason: string | undefined;
  attempts: CheckAttempt[];
}

export interface MessageRow {
  stored: StoredMessage;
  placement: Placement | undefined;
  dueAt: number | undefined;
  recalledAt: number | undefined;
}

export interface ShardRow {
  topic: string;
  shard: number;
  firstOffset: number;
  nextOffset: number;
  lastAppendedAt: number;
  chunks: LogChunk[];
}

export interface SubscriptionRow {
  subscription: Subscription;
  secrets: SigningSecrets | null;
  changedAt: number;
  idleUntil: number | undefined;
  /** By shard; each with what fences an owner's writes. */
  lanes: Map<number, LaneCursor & { epoch: number; lastWrite: number }>;
  /** By `shard:offset`. */
  retries: Map<string, RetryEntry>;
}

export interface DeadLetterRow extends NewDeadLetter {
  topic: string;
  group: string;
}

/** Everything that a store holds, in maps. Several stores on the same tables are several nodes on one database. */
export class Tables {
  readonly topics = new Map<string, Topic>();
  readonly shards = new Map<string, ShardRow[]>();
  readonly producers = new Map<string, { producer: Producer; secrets: SigningSecrets | null }>();
  readonly transactions = new Map<string, TransactionRow>();
  readonly messages = new Map<string, MessageRow>();
  /** By message id. */
  readonly scheduled = new Map<string, { topic: string; ref: MessageRef; dueAt: number }>();
  /** By `topic/group`. */
  readonly subscriptions = new Map<string, SubscriptionRow>();
  readonly deadLetters = new Map<string, DeadLetterRow>();
  readonly nodes = new Map<string, NodeRow>();
  readonly streams = new Map<string, ProducerStream & { connectedAt: number }>();
  /** Messages that outlived their chunk, by id. */
  readonly kept = new Map<string, { storedAt: number; recheckAt: number }>();
  readonly audit: AuditEntry[] = [];
  identity: { storeId: string; nodeSecret: string } | null = null;
  /** Numbers claims of checks. */
  claims = 0;

  /** @param clock the store's time */
  constructor(readonly clock: Clock) {}

  insertTopic(topic: Topic): void {
    this.topics.set(topic.name, topic);
    this.shards.set(
      topic.name,
      Array.from({ length: topic.shards }, (_, shard) => ({
        topic: topic.name,
        shard,
        firstOffset: 0,
        nextOffset: 0,
        lastAppendedAt: 0,
        chunks: [],
      })),
    );
  }

  shard(topic: string, shard: number): ShardRow | undefined {
    return this.shards.get(topic)?.[shard];
  }

  subscription(topic: string, group: string): SubscriptionRow | undefined {
    return this.subscriptions.get(`${topic}/${group}`);
  }

  ofTopic(topic: string): SubscriptionRow[] {
    return [...this.subscriptions.values()].filter(({ subscription }) => subscription.topic === topic);
  }

  deadOf(topic: string, group: string): DeadLetterRow[] {
    return [...this.deadLetters.values()].filter((dead) => dead.topic === topic && dead.group === group);
  }

  /** Stores a message's row. Throws, with nothing changed, for headers that are no JSON. */
  insertMessage(message: IdentifiedMessage, storedAt: number, transactionId?: string): MessageRow {
    const row = {
      stored: storedMessage(message, storedAt, transactionId),
      placement: undefined,
      dueAt: undefined,
      recalledAt: undefined,
    };
    this.messages.set(message.id, row);
    return row;
  }

  /** Whether a retry or a dead letter names the message. */
  isNamed(id: string): boolean {
    for (const dead of this.deadLetters.values()) if (dead.ref.id === id) return true;
    for (const { retries } of this.subscriptions.values()) {
      for (const entry of retries.values()) if (entry.ref.id === id) return true;
    }
    return false;
  }
}

export function refOf(message: Pick<IdentifiedMessage, 'id' | 'tag' | 'orderingKey'>): MessageRef {
  const ref: MessageRef = { id: message.id };
  if (message.tag !== undefined) ref.tag = message.tag;
  if (message.orderingKey !== undefined) ref.keyHash = orderingKeyHash(message.orderingKey);
  return ref;
}

/** A message as it is read back: without members that were not given. Throws for what cannot be written. */
export function storedMessage(message: IdentifiedMessage, storedAt: number, transactionId?: string): StoredMessage {
  const { idGiven: _, headers, ...content } = message;
  const stored: StoredMessage = { ...content, storedAt };
  if (headers !== undefined) stored.headers = JSON.parse(JSON.stringify(headers)) as Record<string, string>;
  if (transactionId !== undefined) stored.transactionId = transactionId;
  for (const [name, value] of Object.entries(stored)) {
    if (value === undefined) delete (stored as unknown as Record<string, unknown>)[name];
  }
  return stored;
}

export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Whether an offset lies in one of the ranges. */
export function isWithin(ranges: readonly (readonly [number, number])[], offset: number): boolean {
  return ranges.some(([from, to]) => from <= offset && offset < to);
}

/** A page of rows that are sorted by `keyOf`, after `after`. */
export function pageAfter<T>(
  sorted: T[],
  after: string | undefined,
  limit: number,
  keyOf: (item: T) => string,
): { items: T[]; next: string | null } {
  const rest = after === undefined ? sorted : sorted.filter((item) => keyOf(item) > after);
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  return { items, next: rest.length > limit && last !== undefined ? keyOf(last) : null };
}
