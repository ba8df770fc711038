import { Problem } from '../../message/problem.js';
import type { IdentifiedMessage } from '../../message/message.js';
import type { AppendedMessage } from '../half-store.js';
import { textOf, type SqlRow, type SqlSession } from './database.js';
import { messageColumns, storedMessageOf } from './message-row.js';
import { readInLists } from './read-in-lists.js';
import { isSameMessage } from './same-content.js';

/** The rows of messages that are stored under these ids already. */
export async function readSent(session: SqlSession, ids: string[]): Promise<Map<string, SqlRow>> {
  const rows = await readInLists(
    (...statements) => session.run(...statements),
    ids,
    (list) => `SELECT ${messageColumns}, due_at, shard, log_offset FROM halfbox_message WHERE id IN ${list}`,
  );
  return new Map(rows.map((row) => [textOf(row['id']), row]));
}

/** A message that was sent before, as its first answer named it. `id-reused` where that was another message. */
export function answerSent(message: IdentifiedMessage, row: SqlRow): AppendedMessage | Problem {
  const stored = storedMessageOf(row);
  if (stored.transactionId !== undefined || !isSameMessage(message, stored)) {
    return new Problem('id-reused', `message ${message.id} exists with other content`);
  }
  const { id, topic } = stored;
  if (row['due_at'] !== null) return { id, topic, deliverAt: Number(row['due_at']) };
  return { id, topic, placement: { shard: Number(row['shard']), offset: Number(row['log_offset']) } };
}
