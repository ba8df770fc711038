import type { Resolver, TransactionState } from '../../message/transaction.js';
import type { AppendedMessage } from '../half-store.js';
import { textOf, type SqlDialect, type SqlResult, type SqlRow, type Statement } from './database.js';
import { inLists } from './read-in-lists.js';
import {
  placementsOf,
  resolverOf,
  transactionRefsOf,
  transactionStateOf,
  type PackedPlacement,
  type TransactionRef,
} from './transaction-row.js';

/** A transaction whose row is locked, and what a batch makes of it. */
export interface LockedTransaction {
  id: string;
  state: TransactionState;
  refs: TransactionRef[];
  resolvedAt: number;
  resolvedBy: Resolver;
  reason: string | undefined;
  /** Its messages as a resolution answers them; empty while it is open. */
  messages: AppendedMessage[];
}

/** Locks the rows of transactions, in the order of their ids; {@link lockedTransactions} reads what it answers. */
export function selectTransactions(dialect: SqlDialect, ids: Iterable<string>): Statement[] {
  const sorted = [...new Set(ids)].sort();
  return inLists(
    sorted,
    (
      list,
    ) => `SELECT id, state, message_refs, placements, resolved_at, resolved_by FROM halfbox_transaction${dialect.byPrimaryKey}
      WHERE id IN ${list} ORDER BY id${dialect.forUpdate}`,
  );
}

/** The transactions by their ids. One that is not stored is not in the answer. */
export function lockedTransactions(results: SqlResult[]): Map<string, LockedTransaction> {
  const locked = new Map<string, LockedTransaction>();
  for (const { rows } of results) {
    for (const row of rows) {
      const transaction = lockedTransaction(row);
      locked.set(transaction.id, transaction);
    }
  }
  return locked;
}

function lockedTransaction(row: SqlRow): LockedTransaction {
  const state = transactionStateOf(row);
  const refs = transactionRefsOf(row);
  const resolved = state === 'committed' || state === 'rolled_back';
  return {
    id: textOf(row['id']),
    state,
    refs,
    resolvedAt: Number(row['resolved_at']),
    resolvedBy: resolverOf(row),
    reason: undefined,
    messages: resolved ? resolvedMessages(refs, state === 'committed' ? placementsOf(row) : null) : [],
  };
}

/** The messages of a resolved transaction, as its first answer named them. */
export function resolvedMessages(refs: TransactionRef[], placements: PackedPlacement[] | null): AppendedMessage[] {
  return refs.map(({ id, topic }, index) => {
    const [first, offset] = placements?.[index] ?? [];
    if (first === undefined) return { id, topic };
    return offset === undefined ? { id, topic, deliverAt: first } : { id, topic, placement: { shard: first, offset } };
  });
}
