import { listPlaceholders, textOf, type SqlDatabase } from './database.js';

/** Nodes of one call at most; more of them are removed by the next. */
const nodesMax = 500;

/** Deletes the rows of nodes that ended before `before`, with the streams that they held. */
export async function removeExpiredNodes(database: SqlDatabase, before: number): Promise<void> {
  const [found] = await database.read({
    sql: `SELECT id FROM halfbox_node WHERE expires_at < ? ORDER BY id LIMIT ${nodesMax}`,
    params: [before],
  });
  const ids = (found?.rows ?? []).map((row) => textOf(row['id']));
  if (ids.length === 0) return;
  const list = listPlaceholders(ids.length);
  await database.transaction((session) =>
    session.finish(
      // A node that comes back just now stores its streams again by itself.
      { sql: `DELETE FROM halfbox_producer_stream WHERE node_id IN (${list})`, params: ids },
      { sql: `DELETE FROM halfbox_node WHERE id IN (${list}) AND expires_at < ?`, params: [...ids, before] },
    ),
  );
}
