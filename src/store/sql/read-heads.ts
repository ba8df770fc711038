import { listPlaceholders, textOf, type SqlDatabase } from './database.js';

/** Topics of one statement at most. */
const topicsMax = 500;

/** The next offset of every shard of the topics. */
export async function readHeads(
  database: SqlDatabase,
  topics: string[],
): Promise<{ topic: string; shard: number; nextOffset: number }[]> {
  const heads: { topic: string; shard: number; nextOffset: number }[] = [];
  for (let start = 0; start < topics.length; start += topicsMax) {
    const batch = topics.slice(start, start + topicsMax);
    const [found] = await database.read({
      sql: `SELECT topic, shard, next_offset FROM halfbox_shard WHERE topic IN (${listPlaceholders(batch.length)})`,
      params: batch,
    });
    for (const row of found?.rows ?? []) {
      heads.push({ topic: textOf(row['topic']), shard: Number(row['shard']), nextOffset: Number(row['next_offset']) });
    }
  }
  return heads;
}
