import { randomUUID } from 'node:crypto';
import { packRefs, type MessageRef } from '../../../src/message/ref.js';
import type { SubscriptionConfig } from '../../../src/message/subscription.js';
import type {
  ClaimedSubscription,
  LaneStore,
  NewDeadLetter,
  RetryEntry,
  Settlement,
} from '../../../src/store/lane-store.js';
import { rowPlaceholders, type SqlDatabase } from '../../../src/store/sql/database.js';
import { Tables } from '../../simulation/model/tables.js';

/** A topic name of its own for each test, so that tests can share a store. */
export function freshName(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}

export function pullConfig(changes: Partial<SubscriptionConfig> = {}): SubscriptionConfig {
  return {
    mode: 'pull',
    filter: '*',
    maxAttempts: 17,
    retry: { fixedMs: 1_000 },
    maxInFlight: 1_000,
    onDeadLetter: 'continue',
    ...changes,
  };
}

/** Takes the lease of one subscription; null when it was not free or not at that epoch. */
export async function claimOne(
  lanes: Pick<LaneStore, 'claim'>,
  topic: string,
  group: string,
  epoch: number,
  nodeId: string,
  now: number,
): Promise<ClaimedSubscription | null> {
  const [claimed] = await lanes.claim([{ topic, group, epoch }], nodeId, now);
  return claimed!;
}

/** A topic with empty shards, written past the catalog so that these suites need no other facet. */
export async function insertTopic(
  database: SqlDatabase | Tables,
  topic: { name: string; shards: number; retentionMs?: number },
): Promise<void> {
  if (database instanceof Tables) {
    database.insertTopic({ retentionMs: 1_000, bodyBytesMax: 1_000_000, createdAt: 0, ...topic });
    return;
  }
  const shards = Array.from({ length: topic.shards }, (_, shard) => [topic.name, shard, 0, 0, 0]);
  await database.transaction(async (session) => {
    await session.finish(
      {
        sql: 'INSERT INTO halfbox_topic (name, shards, retention_ms, body_bytes_max, created_at) VALUES (?, ?, ?, ?, ?)',
        params: [topic.name, topic.shards, topic.retentionMs ?? 1_000, 1_000_000, 0],
      },
      {
        sql: `INSERT INTO halfbox_shard (topic, shard, first_offset, next_offset, last_appended_at)
          VALUES ${rowPlaceholders(topic.shards, 5)}`,
        params: shards.flat(),
      },
    );
  });
}

/** Appends one chunk under the shard row's lock, as a commit does; answers its first offset. */
export async function appendChunk(
  database: SqlDatabase | Tables,
  topic: string,
  shard: number,
  refs: MessageRef[],
  appendedAt: number,
): Promise<number> {
  if (database instanceof Tables) return appendToModel(database, topic, shard, refs, appendedAt);
  return database.transaction(async (session) => {
    const [locked] = await session.run({
      sql: `SELECT next_offset, last_appended_at FROM halfbox_shard WHERE topic = ? AND shard = ?${database.dialect.forUpdate}`,
      params: [topic, shard],
    });
    const firstOffset = Number(locked?.rows[0]?.['next_offset']);
    const at = Math.max(appendedAt, Number(locked?.rows[0]?.['last_appended_at']));
    await session.finish(
      {
        sql: 'UPDATE halfbox_shard SET next_offset = ?, last_appended_at = ? WHERE topic = ? AND shard = ?',
        params: [firstOffset + refs.length, at, topic, shard],
      },
      {
        sql: `INSERT INTO halfbox_shard_log (topic, shard, first_offset, message_count, appended_at, refs)
          VALUES (?, ?, ?, ?, ?, ?)`,
        params: [topic, shard, firstOffset, refs.length, at, packRefs(refs)],
      },
      {
        sql: `INSERT INTO halfbox_message (id, topic, message_key, tag, stored_at, body_kind, body)
          VALUES ${rowPlaceholders(refs.length, 7)}`,
        params: refs.flatMap((ref) => [ref.id, topic, `key of ${ref.id}`, ref.tag, at, 0, Buffer.from('{}')]),
      },
    );
    return firstOffset;
  });
}

function appendToModel(tables: Tables, topic: string, shard: number, refs: MessageRef[], appendedAt: number): number {
  const row = tables.shard(topic, shard)!;
  const firstOffset = row.nextOffset;
  row.lastAppendedAt = Math.max(appendedAt, row.lastAppendedAt);
  row.nextOffset += refs.length;
  row.chunks.push({ topic, shard, firstOffset, appendedAt: row.lastAppendedAt, refs });
  for (const { id, tag } of refs) {
    const fields = { key: `key of ${id}`, ...(tag !== undefined && { tag }), body: { json: '{}' } };
    tables.insertMessage({ id, idGiven: true, topic, ...fields }, row.lastAppendedAt);
  }
  return firstOffset;
}

export function refs(count: number, prefix: string = randomUUID()): MessageRef[] {
  return Array.from({ length: count }, (_, index) => ({ id: `${prefix}.${index}` }));
}

export async function insertNode(database: SqlDatabase | Tables, id: string, expiresAt: number): Promise<void> {
  if (database instanceof Tables) {
    database.nodes.set(id, { id, url: 'http://n', version: '1', startedAt: 0, expiresAt });
    return;
  }
  await database.transaction(async (session) => {
    await session.finish({
      sql: `INSERT INTO halfbox_node (id, url, version, started_at, expires_at) VALUES (?, 'http://n', '1', 0, ?)`,
      params: [id, expiresAt],
    });
  });
}

let writes = 0;

/** The next write of an owner: of one lane with nothing settled above and nothing given, and the changes asked for. */
export function settlement(
  subscription: { topic: string; group: string; epoch: number },
  lane: { shard: number; settledOffset: number },
  changes: Partial<Settlement> = {},
): Settlement {
  const { topic, group, epoch } = subscription;
  return {
    topic,
    group,
    epoch,
    write: (writes += 1),
    cursors: [{ ...lane, settledAbove: [], given: [] }],
    retriesPut: [],
    retriesDelete: [],
    deadLetters: [],
    ...changes,
  };
}

export function retryAt(shard: number, offset: number, changes: Partial<RetryEntry> = {}): RetryEntry {
  return { shard, offset, ref: { id: `m${offset}` }, state: 'due', attempt: 1, dueAt: 1_000, ...changes };
}

export function deadAt(shard: number, offset: number, changes: Partial<NewDeadLetter> = {}): NewDeadLetter {
  return {
    id: randomUUID(),
    shard,
    offset,
    ref: { id: `m${offset}` },
    attempts: 3,
    error: 'the handler threw',
    firstFailedAt: 100,
    diedAt: 200,
    ...changes,
  };
}

/** Which of the ids have a message row. */
export async function storedIds(database: SqlDatabase | Tables, ids: string[]): Promise<string[]> {
  if (database instanceof Tables) return ids.filter((id) => database.messages.has(id)).sort();
  const found: string[] = [];
  for (let start = 0; start < ids.length; start += 500) {
    const batch = ids.slice(start, start + 500);
    const [result] = await database.read({
      sql: `SELECT id FROM halfbox_message WHERE id IN (${batch.map(() => '?').join(',')})`,
      params: batch,
    });
    found.push(...(result?.rows ?? []).map((row) => String(row['id'])));
  }
  return found.sort();
}
