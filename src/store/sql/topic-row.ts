import type { Topic } from '../catalog-store.js';
import { textOf, type SqlRow } from './database.js';

/** The columns that {@link topicOf} reads. */
export const topicColumns = 'name, shards, retention_ms, body_bytes_max, created_at';

export function topicOf(row: SqlRow): Topic {
  return {
    name: textOf(row['name']),
    shards: Number(row['shards']),
    retentionMs: Number(row['retention_ms']),
    bodyBytesMax: Number(row['body_bytes_max']),
    createdAt: Number(row['created_at']),
  };
}
