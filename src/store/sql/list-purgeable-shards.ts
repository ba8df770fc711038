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
      JOIN halfbox_topic topic ON topic.name = shard.topic
      WHERE shard.topic >= ? AND (shard.topic > ? OR shard.shard > ?) AND EXISTS (
        SELECT 1 FROM halfbox_shard_log log WHERE log.topic = shard.topic AND log.shard = shard.shard
          AND log.first_offset <= shard.first_offset AND log.appended_at <= ? - topic.retention_ms)
      ORDER BY shard.topic, shard.shard LIMIT ?`,
    params: [topic, topic, shard, now, limit],
  });
  return (found?.rows ?? []).map((row) => ({ topic: textOf(row['topic']), shard: Number(row['shard']) }));
}
