import { listPlaceholders, textOf, type SqlSession } from './database.js';

/** Ids of one statement at most. */
const idsMax = 500;

/**
 * Which of the messages a retry or a dead letter names. One statement asks both tables, so that a delivery that moves
 * from one to the other at the same time is seen in one of them.
 */
export async function namedMessages(session: SqlSession, ids: string[]): Promise<Set<string>> {
  const named = new Set<string>();
  for (let start = 0; start < ids.length; start += idsMax) {
    const batch = ids.slice(start, start + idsMax);
    const list = listPlaceholders(batch.length);
    const [found] = await session.run({
      sql: `SELECT message_id FROM halfbox_retry WHERE message_id IN (${list})
        UNION SELECT message_id FROM halfbox_dead_letter WHERE message_id IN (${list})`,
      params: [...batch, ...batch],
    });
    for (const row of found?.rows ?? []) named.add(textOf(row['message_id']));
  }
  return named;
}
