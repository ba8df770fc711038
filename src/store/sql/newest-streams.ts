import { textOf, type SqlDatabase } from './database.js';
import { readInLists } from './read-in-lists.js';

/** Since when each producer's newest stream on a live node is open; see `StreamStore.newest`. */
export async function newestStreams(
  database: SqlDatabase,
  producers: readonly string[],
  now: number,
): Promise<Map<string, number>> {
  const rows = await readInLists(
    (...statements) => database.read(...statements),
    [...producers],
    (list) => `SELECT s.producer, MAX(s.connected_at) AS connected_at FROM halfbox_producer_stream s
      JOIN halfbox_node n ON n.id = s.node_id
      WHERE n.expires_at > ${Math.floor(now)} AND s.producer IN ${list} GROUP BY s.producer`,
  );
  return new Map(rows.map((row) => [textOf(row['producer']), Number(row['connected_at'])]));
}
