import type { LiveStream } from '../stream-store.js';
import { textOf, type SqlDatabase, type SqlRow, type SqlValue, type Statement } from './database.js';

/** Nodes that hold a stream of one and the same instance; more than one only while it moves from one to another. */
const nodesOfInstanceMax = 10;

/** Streams of a producer on live nodes; see `StreamStore.find`. */
export async function findStreams(
  database: SqlDatabase,
  producer: string,
  instance: string | undefined,
  now: number,
  limit: number,
): Promise<LiveStream[]> {
  const statements = [select('s.instance = ?', [producer, now, instance ?? ''], nodesOfInstanceMax)];
  if (limit > 0) statements.push(select('s.instance <> ?', [producer, now, instance ?? ''], limit));
  const results = await database.read(...statements);
  return results.flatMap(({ rows }) => rows.map(liveStreamOf));
}

function select(condition: string, params: SqlValue[], limit: number): Statement {
  return {
    sql: `SELECT s.producer, s.instance, s.node_id, n.url FROM halfbox_producer_stream s
      JOIN halfbox_node n ON n.id = s.node_id
      WHERE s.producer = ? AND n.expires_at > ? AND ${condition}
      ORDER BY s.instance, s.node_id LIMIT ${Math.floor(limit)}`,
    params,
  };
}

function liveStreamOf(row: SqlRow): LiveStream {
  return {
    producer: textOf(row['producer']),
    instance: textOf(row['instance']),
    nodeId: textOf(row['node_id']),
    nodeUrl: textOf(row['url']),
  };
}
