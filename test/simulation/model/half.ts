import type { Clock } from '../../../src/message/clock.js';
import type { IdentifiedMessage } from '../../../src/message/message.js';
import { shardOfKeyHash } from '../../../src/message/ordering-key.js';
import { Problem, type Outcome } from '../../../src/message/problem.js';
import type { LogChunk, MessageRef } from '../../../src/message/ref.js';
import { resolutionTable } from '../../../src/message/transaction.js';
import type {
  AppendedMessage,
  AppendItem,
  AppendResult,
  HalfStore,
  PreparedTransaction,
  PrepareItem,
} from '../../../src/store/half-store.js';
import { isSameMessage } from '../../../src/store/sql/same-content.js';
import { refOf, storedMessage, type MessageRow, type Tables, type TransactionRow } from './tables.js';

const chunkRefsMax = 1_000;

/** Numbers messages at the ends of their shards, and gathers them in one chunk a shard. */
export class Appending {
  readonly #chunks = new Map<string, LogChunk>();
  readonly #done: LogChunk[] = [];

  constructor(
    private readonly tables: Tables,
    private readonly turn: number,
  ) {}

  append(topic: string, ref: MessageRef): { shard: number; offset: number } {
    const shards = this.tables.shards.get(topic)!;
    const shard = ref.keyHash === undefined ? this.turn % shards.length : shardOfKeyHash(ref.keyHash, shards.length);
    const row = shards[shard]!;
    const offset = row.nextOffset++;
    let chunk = this.#chunks.get(`${topic}/${shard}`);
    if (chunk === undefined || chunk.refs.length >= chunkRefsMax) {
      chunk = { topic, shard, firstOffset: offset, appendedAt: 0, refs: [] };
      this.#chunks.set(`${topic}/${shard}`, chunk);
      this.#done.push(chunk);
    }
    chunk.refs.push(ref);
    return { shard, offset };
  }

  /** Writes the chunks down, with a time that never goes back in their shard. */
  finish(now: number): LogChunk[] {
    for (const chunk of this.#done) {
      const row = this.tables.shard(chunk.topic, chunk.shard)!;
      row.lastAppendedAt = chunk.appendedAt = Math.max(now, row.lastAppendedAt);
      row.chunks.push(chunk);
    }
    return this.#done.map((chunk) => ({ ...chunk, refs: [...chunk.refs] }));
  }
}

/** The half store over maps: every call happens at one instant. */
export class ModelHalfStore implements HalfStore {
  /** @param turn number of the first batch, by which messages without an ordering key go round the shards */
  constructor(
    private readonly tables: Tables,
    private turn = 0,
  ) {}

  async prepare(items: PrepareItem[], now: number): Promise<Outcome<PreparedTransaction>[]> {
    return items.map((item) => attempt(() => this.#prepare(item, now)));
  }

  async append(
    items: AppendItem[],
    clock: Clock,
    deleteAfterMs: number,
  ): Promise<{ outcomes: Outcome<AppendResult>[]; chunks: LogChunk[] }> {
    const now = clock.now();
    const appending = new Appending(this.tables, this.turn++);
    const outcomes = items.map((item) =>
      attempt(() =>
        item.kind === 'send'
          ? this.#send(item.messages, now, appending)
          : this.#resolve(item, now, deleteAfterMs, appending),
      ),
    );
    return { outcomes, chunks: appending.finish(clock.now()) };
  }

  #prepare(item: PrepareItem, now: number): PreparedTransaction {
    const { transactionId: id, messages } = item;
    const before = this.tables.transactions.get(id);
    if (before !== undefined) {
      if (!this.#isSame(item, before)) throw new Problem('id-reused', `transaction ${id} exists with other content`);
      return preparedAnswer(before, true);
    }
    const taken = messages.find((message) => this.tables.messages.has(message.id));
    if (taken) throw new Problem('id-reused', `message ${taken.id} exists already`);
    for (const message of messages) storedMessage(message, now);
    const firstCheckAt = now + item.firstCheckAfterMs;
    const row: TransactionRow = {
      id,
      producer: item.producer,
      instance: item.instance,
      state: 'prepared',
      dueAt: firstCheckAt,
      claimToken: null,
      claimedUntil: 0,
      asked: 0,
      answered: 0,
      preparedAt: now,
      firstCheckAt,
      refs: messages.map((message) => ({
        ...refOf(message),
        topic: message.topic,
        delayMs: message.delayMs,
        deliverAt: message.deliverAt,
      })),
      messages: [],
      resolvedAt: 0,
      resolvedBy: 'client',
      reason: undefined,
      attempts: [],
    };
    this.tables.transactions.set(id, row);
    for (const message of messages) this.tables.insertMessage(message, now, id);
    return preparedAnswer(row, false);
  }

  #isSame(item: PrepareItem, before: TransactionRow): boolean {
    if (item.producer !== before.producer || item.messages.length !== before.refs.length) return false;
    return item.messages.every((message, index) => {
      const ref = before.refs[index]!;
      const row = this.tables.messages.get(ref.id);
      if (!row) return message.topic === ref.topic && (!message.idGiven || message.id === ref.id);
      return isSameMessage(message, row.stored);
    });
  }

  #resolve(
    { kind, transactionId: id, by, reason }: Extract<AppendItem, { transactionId: string }>,
    now: number,
    deleteAfterMs: number,
    appending: Appending,
  ): AppendResult {
    const row = this.tables.transactions.get(id);
    if (row === undefined) throw new Problem('transaction-not-found', `transaction ${id} does not exist`);
    const next = resolutionTable[row.state][kind];
    if (next === 'conflict') {
      const slug = row.state === 'committed' ? 'transaction-already-committed' : 'transaction-already-rolled-back';
      throw new Problem(slug, `transaction ${id} is ${row.state}`);
    }
    if (next === 'same') return resolvedAnswer(row, true);
    const missing = row.refs.find(({ topic }) => kind === 'commit' && !this.tables.topics.has(topic));
    if (missing) throw new Problem('topic-not-found', `topic ${missing.topic} does not exist`);
    Object.assign(row, { state: next, resolvedAt: now, resolvedBy: by, reason, dueAt: now + deleteAfterMs });
    row.messages = row.refs.map(({ topic, delayMs, deliverAt, ...ref }) => {
      if (kind === 'rollback') return { id: ref.id, topic };
      const message = this.tables.messages.get(ref.id);
      return this.#place({ topic, ref, delayMs, deliverAt }, message, now, appending);
    });
    return resolvedAnswer(row, false);
  }

  #send(messages: IdentifiedMessage[], now: number, appending: Appending): AppendResult {
    for (const message of messages) {
      const row = this.tables.messages.get(message.id);
      if (row && (row.stored.transactionId !== undefined || !isSameMessage(message, row.stored))) {
        throw new Problem('id-reused', `message ${message.id} exists already`);
      }
      if (!row && !this.tables.topics.has(message.topic)) {
        throw new Problem('topic-not-found', `topic ${message.topic} does not exist`);
      }
      storedMessage(message, now);
    }
    let repeated = true;
    const answers = messages.map((message) => {
      const { id, topic, delayMs, deliverAt } = message;
      const row = this.tables.messages.get(id);
      if (row) return sentAnswer(row);
      repeated = false;
      const stored = this.tables.insertMessage(message, now);
      return this.#place({ topic, ref: refOf(message), delayMs, deliverAt }, stored, now, appending);
    });
    return { messages: answers, repeated };
  }

  #place(
    {
      topic,
      ref,
      delayMs,
      deliverAt,
    }: { topic: string; ref: MessageRef; delayMs?: number | undefined; deliverAt?: number | undefined },
    row: MessageRow | undefined,
    now: number,
    appending: Appending,
  ): AppendedMessage {
    const dueAt = deliverAt ?? now + (delayMs ?? 0);
    if (dueAt > now) {
      this.tables.scheduled.set(ref.id, { topic, ref, dueAt });
      if (row) row.dueAt = dueAt;
      return { id: ref.id, topic, deliverAt: dueAt };
    }
    const placement = appending.append(topic, ref);
    if (row) row.placement = placement;
    return { id: ref.id, topic, placement };
  }
}

/** The outcome of one item: its value, its own problem, or `internal` for what it cannot be written for. */
function attempt<T>(work: () => T): Outcome<T> {
  try {
    return { value: work() };
  } catch (error) {
    if (error instanceof Problem) return { problem: error };
    return { problem: new Problem('internal', 'this item could not be written', { cause: error }) };
  }
}

function preparedAnswer(row: TransactionRow, repeated: boolean): PreparedTransaction {
  const { id, state, firstCheckAt } = row;
  return { id, state, firstCheckAt, messages: row.refs.map((ref) => ({ id: ref.id, topic: ref.topic })), repeated };
}

function resolvedAnswer(row: TransactionRow, repeated: boolean): AppendResult {
  const { id, state, resolvedBy, resolvedAt, messages } = row;
  return {
    transaction: { id, state, resolvedBy, resolvedAt },
    messages: messages.map((each) => ({ ...each })),
    repeated,
  };
}

function sentAnswer({ stored: { id, topic }, placement, dueAt }: MessageRow): AppendedMessage {
  // A delayed message is answered as it was the first time, also once it lies in the log.
  if (dueAt !== undefined) return { id, topic, deliverAt: dueAt };
  return placement === undefined ? { id, topic } : { id, topic, placement };
}
