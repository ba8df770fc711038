import { listPlaceholders, type SqlDialect, type SqlValue, type Statement } from './database.js';
import type { LockedTransaction } from './lock-transactions.js';
import { packPlacements, resolverCode, transactionStateCode, type PackedPlacement } from './transaction-row.js';

/** Transactions of one UPDATE at most: the server looks for each row's placements from the first on. */
const rowsMax = 128;

/** Stores locked transactions that a batch resolved, in as few statements as their number and their resolvers allow. */
export function updateResolved(
  dialect: SqlDialect,
  transactions: LockedTransaction[],
  deleteAfterMs: number,
): Statement[] {
  const groups = new Map<string, LockedTransaction[]>();
  for (const transaction of transactions) {
    const key = `${transaction.state} ${transaction.resolvedBy} ${transaction.reason ?? ''}`;
    const group = groups.get(key);
    if (group) group.push(transaction);
    else groups.set(key, [transaction]);
  }
  const statements: Statement[] = [];
  for (const group of groups.values()) {
    for (let start = 0; start < group.length; start += rowsMax) {
      statements.push(updateGroup(dialect, group.slice(start, start + rowsMax), deleteAfterMs));
    }
  }
  return statements;
}

function updateGroup(dialect: SqlDialect, group: LockedTransaction[], deleteAfterMs: number): Statement {
  const [{ state, resolvedAt, resolvedBy, reason }] = group as [LockedTransaction];
  const params: SqlValue[] = [
    transactionStateCode[state],
    resolvedAt,
    resolverCode[resolvedBy],
    reason,
    resolvedAt + deleteAfterMs,
  ];
  let placements = '';
  if (state === 'committed') {
    placements = `, placements = CASE id ${'WHEN ? THEN ? '.repeat(group.length)}END`;
    for (const { id, messages } of group) params.push(id, packPlacements(messages.map(packed)));
  }
  for (const { id } of group) params.push(id);
  return {
    sql: `UPDATE halfbox_transaction${dialect.byPrimaryKey} SET state = ?, resolved_at = ?, resolved_by = ?, reason = ?,
      due_at = ?${placements} WHERE id IN (${listPlaceholders(group.length)})`,
    params,
  };
}

function packed({ placement, deliverAt }: LockedTransaction['messages'][number]): PackedPlacement {
  return placement ? [placement.shard, placement.offset] : [deliverAt!];
}
