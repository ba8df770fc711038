import { listPlaceholders, type Statement } from './database.js';

/** Offsets of one DELETE at most. */
const offsetsMax = 500;

/** Deletes the retries of one subscription at these places: one statement a shard, each a range of the primary key. */
export function deleteRetries(topic: string, group: string, places: { shard: number; offset: number }[]): Statement[] {
  const offsets = new Map<number, number[]>();
  for (const { shard, offset } of places) {
    const known = offsets.get(shard);
    if (known) known.push(offset);
    else offsets.set(shard, [offset]);
  }
  return [...offsets].flatMap(([shard, all]) => {
    const statements: Statement[] = [];
    for (let start = 0; start < all.length; start += offsetsMax) {
      const batch = all.slice(start, start + offsetsMax);
      statements.push({
        sql: `DELETE FROM halfbox_retry WHERE topic = ? AND consumer_group = ? AND shard = ?
          AND log_offset IN (${listPlaceholders(batch.length)})`,
        params: [topic, group, shard, ...batch],
      });
    }
    return statements;
  });
}
