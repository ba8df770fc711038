import type { StoredMessage } from '../../message/message.js';
import { listPlaceholders, type SqlDatabase } from './database.js';
import { messageColumns, storedMessageOf } from './message-row.js';

/** Ids of one statement at most. */
const idsMax = 500;

/** The stored messages with these ids; one that is missing is not in the map. */
export async function readMessages(database: SqlDatabase, ids: string[]): Promise<Map<string, StoredMessage>> {
  const messages = new Map<string, StoredMessage>();
  for (let start = 0; start < ids.length; start += idsMax) {
    const batch = ids.slice(start, start + idsMax);
    const [found] = await database.read({
      sql: `SELECT ${messageColumns} FROM halfbox_message WHERE id IN (${listPlaceholders(batch.length)})`,
      params: batch,
    });
    for (const row of found?.rows ?? []) {
      const message = storedMessageOf(row);
      messages.set(message.id, message);
    }
  }
  return messages;
}
