import type { Page, Topic } from '../catalog-store.js';
import type { SqlDatabase, Statement } from './database.js';
import { pageOf } from './page.js';
import { topicColumns, topicOf } from './topic-row.js';

export function selectTopic(name: string, lock = ''): Statement {
  return { sql: `SELECT ${topicColumns} FROM halfbox_topic WHERE name = ?${lock}`, params: [name] };
}

export async function readTopic(database: SqlDatabase, name: string): Promise<Topic | null> {
  const [found] = await database.read(selectTopic(name));
  const row = found?.rows[0];
  return row ? topicOf(row) : null;
}

/** By name; `after` is the last name of the page before. */
export async function listTopics(
  database: SqlDatabase,
  after: string | undefined,
  limit: number,
): Promise<Page<Topic>> {
  const [found] = await database.read({
    sql: `SELECT ${topicColumns} FROM halfbox_topic WHERE name > ? ORDER BY name LIMIT ?`,
    params: [after ?? '', limit + 1],
  });
  return pageOf((found?.rows ?? []).map(topicOf), limit, (topic) => topic.name);
}
