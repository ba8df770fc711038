import { optionalText, text, type SqlReader } from './sql.js';

/** What the store holds, read by plain SQL and nothing of the broker's code. */

export type TransactionState = 'prepared' | 'committed' | 'rolled_back' | 'parked';

export interface LogEntry {
  topic: string;
  shard: number;
  offset: number;
  id: string;
  tag?: string | undefined;
}

export interface LaneImage {
  subscription: string;
  shard: number;
  settledOffset: number;
  settledAbove: [number, number][];
  given: [number, number, number][];
}

export interface StoreImage {
  /** Epoch ms, before the moment that is shown. */
  at: number;
  transactions: Map<string, TransactionState>;
  shards: { topic: string; shard: number; firstOffset: number; nextOffset: number }[];
  /** In the order of their offsets. */
  log: LogEntry[];
  /** Chunks as they lie there. */
  chunks: { topic: string; shard: number; firstOffset: number; count: number }[];
  lanes: LaneImage[];
  retries: { subscription: string; id: string; state: number }[];
  deadLetters: { subscription: string; id: string; attempts: number }[];
  scheduled: string[];
  messages: Map<string, { topic: string; transaction?: string | undefined; origin?: string | undefined }>;
}

const states: TransactionState[] = ['prepared', 'committed', 'rolled_back', 'parked'];

export function readStore(reader: SqlReader): Promise<StoreImage> {
  // Before the moment that is read: what was answered until then must be there, what is answered later need not be.
  const at = Date.now();
  return reader.atOnce(() => read(reader, at));
}

async function read(reader: SqlReader, at: number): Promise<StoreImage> {
  const transactions = await reader.rows('SELECT id, state FROM halfbox_transaction');
  const chunks = await reader.rows(
    'SELECT topic, shard, first_offset, message_count, refs FROM halfbox_shard_log ORDER BY topic, shard, first_offset',
  );
  const shards = await reader.rows('SELECT topic, shard, first_offset, next_offset FROM halfbox_shard');
  const lanes = await reader.rows(
    'SELECT topic, consumer_group, shard, settled_offset, settled_above, given FROM halfbox_lane',
  );
  const retries = await reader.rows('SELECT topic, consumer_group, message_id, state FROM halfbox_retry');
  const dead = await reader.rows('SELECT topic, consumer_group, message_id, attempts FROM halfbox_dead_letter');
  const scheduled = await reader.rows('SELECT message_id FROM halfbox_scheduled_message');
  const messages = await reader.rows('SELECT id, topic, transaction_id, headers FROM halfbox_message');
  const subscription = (row: Record<string, unknown>): string => `${text(row['topic'])}/${text(row['consumer_group'])}`;
  return {
    at,
    transactions: new Map(transactions.map((row) => [text(row['id']), states[Number(row['state'])]!])),
    shards: shards.map((row) => ({
      topic: text(row['topic']),
      shard: Number(row['shard']),
      firstOffset: Number(row['first_offset']),
      nextOffset: Number(row['next_offset']),
    })),
    log: chunks.flatMap(entriesOf),
    chunks: chunks.map((row) => ({
      topic: text(row['topic']),
      shard: Number(row['shard']),
      firstOffset: Number(row['first_offset']),
      count: Number(row['message_count']),
    })),
    lanes: lanes.map((row) => ({
      subscription: subscription(row),
      shard: Number(row['shard']),
      settledOffset: Number(row['settled_offset']),
      settledAbove: JSON.parse(text(row['settled_above'])) as [number, number][],
      given: JSON.parse(text(row['given'])) as [number, number, number][],
    })),
    retries: retries.map((row) => ({
      subscription: subscription(row),
      id: text(row['message_id']),
      state: Number(row['state']),
    })),
    deadLetters: dead.map((row) => ({
      subscription: subscription(row),
      id: text(row['message_id']),
      attempts: Number(row['attempts']),
    })),
    scheduled: scheduled.map((row) => text(row['message_id'])),
    messages: new Map(
      messages.map((row) => [
        text(row['id']),
        {
          topic: text(row['topic']),
          transaction: optionalText(row['transaction_id']),
          origin: originOf(optionalText(row['headers'])),
        },
      ]),
    ),
  };
}

/** A chunk names its messages as JSON: ids, or `[id, tag or 0, hash of the ordering key]`. */
function entriesOf(row: Record<string, unknown>): LogEntry[] {
  const refs = JSON.parse(text(row['refs'])) as (string | [string, string | 0, string?])[];
  const [topic, shard, first] = [text(row['topic']), Number(row['shard']), Number(row['first_offset'])];
  return refs.map((ref, index) => {
    const [id, tag] = typeof ref === 'string' ? [ref, 0 as const] : ref;
    return { topic, shard, offset: first + index, id, tag: tag === 0 ? undefined : tag };
  });
}

/** Headers are JSON; a forwarded copy names its original there. */
function originOf(headers: string | undefined): string | undefined {
  return headers === undefined ? undefined : (JSON.parse(headers) as Record<string, string>)['halfbox-origin-id'];
}
