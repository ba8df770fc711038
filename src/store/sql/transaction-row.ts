import type { Resolver, TransactionState } from '../../message/transaction.js';
import { textOf, type SqlRow } from './database.js';

/** The numbers that stand for the states of a transaction in its row. */
export const transactionStateCode = {
  prepared: 0,
  committed: 1,
  rolled_back: 2,
  parked: 3,
} as const satisfies Record<TransactionState, number>;

/** The numbers that stand for who resolved it. */
export const resolverCode = { client: 0, check: 1, operator: 2 } as const satisfies Record<Resolver, number>;

const states: TransactionState[] = ['prepared', 'committed', 'rolled_back', 'parked'];
const resolvers: Resolver[] = ['client', 'check', 'operator'];

export function transactionStateOf(row: SqlRow): TransactionState {
  const state = states[Number(row['state'])];
  if (!state) throw new Error(`halfbox_transaction holds an unknown state ${String(row['state'])}`);
  return state;
}

export function resolverOf(row: SqlRow): Resolver {
  const resolver = resolvers[Number(row['resolved_by'])];
  if (!resolver) throw new Error(`halfbox_transaction holds an unknown resolver ${String(row['resolved_by'])}`);
  return resolver;
}

/** What a transaction's row keeps of each of its messages: enough to append it without reading its own row. */
export interface TransactionRef {
  id: string;
  topic: string;
  tag?: string | undefined;
  keyHash?: string | undefined;
  delayMs?: number | undefined;
  deliverAt?: number | undefined;
}

type PackedTransactionRef = [
  id: string,
  topic: string,
  tag?: string | null,
  keyHash?: string | null,
  delayMs?: number | null,
  deliverAt?: number | null,
];

/** The column `message_refs`: JSON `[[id, topic, tag, keyHash, delayMs, deliverAt], …]`, each without the nulls at its end. */
export function packTransactionRefs(refs: TransactionRef[]): string {
  return JSON.stringify(refs.map(packed));
}

function packed(ref: TransactionRef): PackedTransactionRef {
  const { id, topic, tag = null, keyHash = null, delayMs = null, deliverAt = null } = ref;
  if (deliverAt !== null) return [id, topic, tag, keyHash, delayMs, deliverAt];
  if (delayMs !== null) return [id, topic, tag, keyHash, delayMs];
  if (keyHash !== null) return [id, topic, tag, keyHash];
  return tag !== null ? [id, topic, tag] : [id, topic];
}

export function transactionRefsOf(row: SqlRow): TransactionRef[] {
  return (JSON.parse(textOf(row['message_refs'])) as PackedTransactionRef[]).map(
    ([id, topic, tag, keyHash, delayMs, deliverAt]) => ({
      id,
      topic,
      tag: tag ?? undefined,
      keyHash: keyHash ?? undefined,
      delayMs: delayMs ?? undefined,
      deliverAt: deliverAt ?? undefined,
    }),
  );
}

/** Where a message of a committed transaction went: into the log, or (one number) to wait until it is due. */
export type PackedPlacement = [shard: number, offset: number] | [dueAt: number];

/**
 * Room that a transaction's row keeps from the start for where its messages will lie. An UPDATE that changes no lengths
 * is made in place; one that makes the row longer splits the full pages that the INSERTs left, which costs twice as much.
 */
export function emptyPlacements(messages: number): string {
  return ' '.repeat(reservedLength(messages));
}

/** The column `placements`: JSON, parallel to `message_refs`, filled up with blanks to the room that was kept. */
export function packPlacements(placements: PackedPlacement[]): string {
  return JSON.stringify(placements).padEnd(reservedLength(placements.length));
}

/** Null where the transaction was not committed. */
export function placementsOf(row: SqlRow): PackedPlacement[] | null {
  const text = textOf(row['placements']);
  return text.trimEnd() === '' ? null : (JSON.parse(text) as PackedPlacement[]);
}

function reservedLength(messages: number): number {
  return 2 + 16 * messages;
}
