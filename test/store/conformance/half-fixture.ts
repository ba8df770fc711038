import { randomBytes } from 'node:crypto';
import { newId } from '../../../src/message/message-id.js';
import type { IdentifiedMessage } from '../../../src/message/message.js';
import type { Outcome } from '../../../src/message/problem.js';
import type { AppendItem, AppendResult, PrepareItem } from '../../../src/store/half-store.js';
import type { MessageStore } from '../../../src/store/message-store.js';
import type { ConformingKind } from '../databases.js';

export const dayMs = 24 * 3_600_000;

/** A name or an id that no other test uses. */
export function unique(prefix: string): string {
  return `${prefix}-${randomBytes(5).toString('hex')}`;
}

/** A fresh topic. */
export async function makeTopic(store: MessageStore, shards = 4): Promise<string> {
  const name = unique('topic');
  await store.catalog.putTopic({ name, shards, retentionMs: dayMs, bodyBytesMax: 1 << 20, createdAt: 1 });
  return name;
}

/** A message as the half stage hands it to the store; with an id it is one that its sender chose. */
export function message(topic: string, fields: Partial<IdentifiedMessage> = {}): IdentifiedMessage {
  return { topic, id: newId(), idGiven: fields.id !== undefined, body: { json: '{"order":1}' }, ...fields };
}

/** Fields that a store cannot write: on a server a key that is too long for its column, elsewhere headers that are no JSON. */
export function unwritable(kind: ConformingKind): Partial<IdentifiedMessage> {
  if (kind === 'mysql') return { key: 'k'.repeat(600) };
  const headers: Record<string, unknown> = {};
  headers['self'] = headers;
  return { headers: headers as Record<string, string> };
}

export function prepareItem(messages: IdentifiedMessage[], fields: Partial<PrepareItem> = {}): PrepareItem {
  return { transactionId: newId(), producer: 'shop', firstCheckAfterMs: 6_000, messages, ...fields };
}

export function commit(transactionId: string): AppendItem {
  return { kind: 'commit', transactionId, by: 'client' };
}

export function rollback(transactionId: string): AppendItem {
  return { kind: 'rollback', transactionId, by: 'client' };
}

export function send(...messages: IdentifiedMessage[]): AppendItem {
  return { kind: 'send', messages };
}

/** The value of an outcome; throws its problem. */
export function valueOf<T>(outcome: Outcome<T> | undefined): T {
  if (!outcome) throw new Error('there is no outcome');
  if (outcome.problem) throw outcome.problem;
  return outcome.value;
}

/** How outcomes ended: `ok`, `repeated`, or the problem's slug. */
export function endings(outcomes: Outcome<{ repeated: boolean }>[]): string[] {
  return outcomes.map((outcome) => {
    if (outcome.problem) return outcome.problem.slug;
    return outcome.value.repeated ? 'repeated' : 'ok';
  });
}

/** Appends and answers the outcomes only. */
export async function append(store: MessageStore, items: AppendItem[], now = 1_000): Promise<Outcome<AppendResult>[]> {
  return (await store.half.append(items, { now: () => now }, dayMs)).outcomes;
}

/** Prepares one transaction and answers its id. */
export async function prepared(store: MessageStore, messages: IdentifiedMessage[], now = 1_000): Promise<string> {
  const item = prepareItem(messages);
  valueOf((await store.half.prepare([item], now))[0]);
  return item.transactionId;
}

export interface LogEntry {
  shard: number;
  offset: number;
  id: string;
}

/** The whole log of a topic, shard by shard; throws where offsets have a gap or do not end at the head. */
export async function readWholeLog(store: MessageStore, topic: string): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for (const { shard, nextOffset } of await store.lanes.heads([topic])) {
    let offset = 0;
    while (offset < nextOffset) {
      const chunks = await store.lanes.readLog(topic, shard, offset, 1_000);
      if (chunks.length === 0) throw new Error(`shard ${shard} ends at ${offset}, its head is ${nextOffset}`);
      for (const { firstOffset, refs } of chunks) {
        if (firstOffset !== offset) throw new Error(`shard ${shard}: a gap from ${offset} to ${firstOffset}`);
        for (const { id } of refs) entries.push({ shard, offset: offset++, id });
      }
    }
  }
  return entries;
}

/** Ends what earlier tests left open, so that a test sees only its own transactions and delayed messages. */
export async function settleAll(store: MessageStore): Promise<void> {
  for (const state of ['prepared', 'parked'] as const) {
    const { items } = await store.lookup.listTransactions({ state }, undefined, 500);
    await append(
      store,
      items.map(({ id }) => rollback(id)),
    );
  }
  while ((await store.schedule.nextDueAt()) !== null) await store.schedule.appendDue(1e15, 500);
}
