import { textOf, type SqlDatabase } from './database.js';

/**
 * Shards whose first chunk is older than their topic's retention at `now`, by topic and shard. Also those with chunks
 * below their first offset, which an interrupted purge left.
 */
export async function listPurgeableShards(
  database: SqlDatabase,
  now: number,
  after: { topic: string; shard: number } | undefined,
  limit: number,
): Promise<{ topic: string; shard: number }[]> {
  const { topic, shard } = after ?? { topic: '', shard: -1 };
  const [found] = await database.read({
    sql: `SELECT shard.topic, shard.shard FROM halfbox_shard shard
      WHERE shard.topic >= ? AND (shard.topic > ? OR shard.shard > ?) AND (
        SELECT log.appended_at FROM halfbox_shard_log log
        WHERE log.topic = shard.topic AND log.shard = shard.shard ORDER BY log.first_offset LIMIT 1
      ) <= ? - (SELECT topic.retention_ms FROM halfbox_topic topic WHERE topic.name = shard.topic)
      ORDER BY shard.topic, shard.shard LIMIT ?`,
    params: [topic, topic, shard, now, limit],
  });
  return (found?.rows ?? []).map((row) => ({ topic: textOf(row['topic']), shard: Number(row['shard']) }));
}
