import { newId } from '../../message/message-id.js';
import type { AuditEntry, Page } from '../catalog-store.js';
import { textOf, type SqlDatabase, type SqlRow } from './database.js';
import { pageOf } from './page.js';

export async function writeAudit(database: SqlDatabase, entry: AuditEntry): Promise<void> {
  await database.transaction((session) =>
    session.finish({
      sql: 'INSERT INTO halfbox_audit (id, at, actor, action, target, reason) VALUES (?, ?, ?, ?, ?, ?)',
      params: [newId(), entry.at, entry.actor, entry.action, entry.target, entry.reason],
    }),
  );
}

/** Oldest first; `after` is the `next` of the page before. */
export async function listAudit(
  database: SqlDatabase,
  after: string | undefined,
  limit: number,
): Promise<Page<AuditEntry>> {
  const [found] = await database.read({
    sql: 'SELECT id, at, actor, action, target, reason FROM halfbox_audit WHERE id > ? ORDER BY id LIMIT ?',
    params: [after ?? '', limit + 1],
  });
  const { items, next } = pageOf(found?.rows ?? [], limit, (row) => textOf(row['id']));
  return { items: items.map(entryOf), next };
}

function entryOf(row: SqlRow): AuditEntry {
  const entry: AuditEntry = {
    at: Number(row['at']),
    actor: textOf(row['actor']),
    action: textOf(row['action']),
    target: textOf(row['target']),
  };
  if (row['reason'] !== null) entry.reason = textOf(row['reason']);
  return entry;
}
