import { Problem } from '../../message/problem.js';
import type { Topic } from '../catalog-store.js';
import { rowPlaceholders, type SqlDatabase, type SqlSession, type Statement } from './database.js';
import { finishTopicRemoval, selectRemovedTopic } from './finish-topic-removal.js';
import { readTopic, selectTopic } from './read-topics.js';
import { topicOf } from './topic-row.js';

/** Tries before giving up: one that is being removed, or created by another caller, is met at most once each as a rule. */
const triesMax = 5;

/** Creates a topic with its shards, or changes its retention and body bound. `already-exists` when `shards` differs. */
export function putTopic(database: SqlDatabase, topic: Topic): Promise<Topic> {
  return put(database, topic, async (session, known) => {
    if (known.shards !== topic.shards) {
      throw new Problem('already-exists', `the topic ${topic.name} has ${known.shards} shards, which are fixed`);
    }
    await session.finish({
      sql: 'UPDATE halfbox_topic SET retention_ms = ?, body_bytes_max = ? WHERE name = ?',
      params: [topic.retentionMs, topic.bodyBytesMax, topic.name],
    });
    return { ...topic, createdAt: known.createdAt };
  });
}

/** Creates a topic unless it is there; answers what is there. */
export async function ensureTopic(database: SqlDatabase, topic: Topic): Promise<Topic> {
  const known = await readTopic(database, topic.name);
  return known ?? put(database, topic, (_session, found) => Promise.resolve(found));
}

async function put(
  database: SqlDatabase,
  topic: Topic,
  change: (session: SqlSession, known: Topic) => Promise<Topic>,
): Promise<Topic> {
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const done = await tryPut(database, topic, change);
    if (done === 'removing') await finishTopicRemoval(database, topic.name);
    else if (done !== 'raced') return done;
  }
  throw new Problem('unavailable', `the topic ${topic.name} is being removed and created again by others; try later`, {
    retryAfterMs: 1_000,
  });
}

async function tryPut(
  database: SqlDatabase,
  topic: Topic,
  change: (session: SqlSession, known: Topic) => Promise<Topic>,
): Promise<Topic | 'removing' | 'raced'> {
  const { forUpdate } = database.dialect;
  try {
    return await database.transaction(async (session) => {
      const [found, removed] = await session.run(
        selectTopic(topic.name, forUpdate),
        selectRemovedTopic(topic.name, forUpdate),
      );
      const row = found?.rows[0];
      if (row) return change(session, topicOf(row));
      if (removed?.rows[0]) return 'removing';
      await session.finish(...insertTopic(topic));
      return topic;
    });
  } catch (error) {
    // Another caller created it in between.
    if (database.isDuplicate(error)) return 'raced';
    throw error;
  }
}

function insertTopic(topic: Topic): Statement[] {
  const shards = Array.from({ length: topic.shards }, (_, shard) => [topic.name, shard, 0, 0, 0]);
  return [
    {
      sql: 'INSERT INTO halfbox_topic (name, shards, retention_ms, body_bytes_max, created_at) VALUES (?, ?, ?, ?, ?)',
      params: [topic.name, topic.shards, topic.retentionMs, topic.bodyBytesMax, topic.createdAt],
    },
    {
      sql: `INSERT INTO halfbox_shard (topic, shard, first_offset, next_offset, last_appended_at)
        VALUES ${rowPlaceholders(topic.shards, 5)}`,
      params: shards.flat(),
    },
  ];
}
