import { packRefs, type MessageRef } from '../../message/ref.js';
import { listPlaceholders, type SqlDatabase, type Statement } from './database.js';
import { MultiRowInsert } from './multi-row-insert.js';

/** A message that waits for its time. */
export interface Scheduled {
  topic: string;
  ref: MessageRef;
  /** Epoch ms. */
  dueAt: number;
  /** True where its own row is stored already, so that its time must be added there. */
  stored: boolean;
}

/** Ids of one UPDATE at most. */
const idsMax = 1_000;

/** Puts messages into the schedule. Their times are kept in their own rows too, where a look-up and a recall find them. */
export function insertScheduled(database: SqlDatabase, scheduled: Scheduled[]): Statement[] {
  const insert = new MultiRowInsert(
    'halfbox_scheduled_message',
    'due_at,message_id,topic,ref',
    database.statementBytesMax,
  );
  const idsByTime = new Map<number, string[]>();
  for (const { topic, ref, dueAt, stored } of scheduled) {
    insert.row(256).push(dueAt, ref.id, topic, packRefs([ref]));
    if (!stored) continue;
    const ids = idsByTime.get(dueAt);
    if (ids) ids.push(ref.id);
    else idsByTime.set(dueAt, [ref.id]);
  }
  const statements = insert.statements();
  for (const [dueAt, ids] of idsByTime) {
    for (let start = 0; start < ids.length; start += idsMax) {
      const some = ids.slice(start, start + idsMax);
      statements.push({
        sql: `UPDATE halfbox_message${database.dialect.byPrimaryKey} SET due_at = ? WHERE id IN (${listPlaceholders(some.length)})`,
        params: [dueAt, ...some],
      });
    }
  }
  return statements;
}
