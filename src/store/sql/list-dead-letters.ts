import type { Page } from '../catalog-store.js';
import type { DeadLetter } from '../dead-letter-store.js';
import type { SqlDatabase } from './database.js';
import { deadLetterOf } from './dead-letter-row.js';

/** Dead letters by id, newest last; `after` is the id that the page before ended with. */
export async function listDeadLetters(
  database: SqlDatabase,
  filter: { topic?: string; group?: string },
  after: string | undefined,
  limit: number,
): Promise<Page<DeadLetter>> {
  const conditions = ['dead.id > ?'];
  const params: string[] = [after ?? ''];
  if (filter.topic !== undefined) {
    // Alone, a topic is no way to the ids in order: the plus keeps SQLite from sorting all of the topic's for each page.
    conditions.push(filter.group === undefined ? '+dead.topic = ?' : 'dead.topic = ?');
    params.push(filter.topic);
  }
  if (filter.group !== undefined) {
    conditions.push('dead.consumer_group = ?');
    params.push(filter.group);
  }
  const [found] = await database.read({
    sql: `SELECT dead.id, dead.topic, dead.consumer_group, dead.message_id, dead.shard, dead.log_offset, dead.tag,
        dead.attempts, dead.error, dead.first_failed_at, dead.died_at, message.message_key
      FROM halfbox_dead_letter dead LEFT JOIN halfbox_message message ON message.id = dead.message_id
      WHERE ${conditions.join(' AND ')} ORDER BY dead.id LIMIT ?`,
    params: [...params, limit + 1],
  });
  const all = (found?.rows ?? []).map(deadLetterOf);
  const items = all.slice(0, limit);
  return { items, next: all.length > limit ? (items.at(-1)?.id ?? null) : null };
}
