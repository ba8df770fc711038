import {
  listPlaceholders,
  textOf,
  type SqlDialect,
  type SqlResult,
  type SqlSession,
  type SqlValue,
  type Statement,
} from './database.js';
import { selectShards, shardsOf } from './topic-shards.js';

/** A shard whose row is locked: nobody else numbers messages in it until this database transaction ends. */
export interface LockedShard {
  topic: string;
  shard: number;
  nextOffset: number;
  lastAppendedAt: number;
}

/** The topics were deleted, or made anew with other shards, since their shards were last counted. Nothing was changed. */
export class ShardsChanged extends Error {
  constructor(readonly topics: string[]) {
    super(`the shards of ${topics.length} topics changed, ${topics[0]} among them`);
  }
}

/** Shards by topic, as {@link lockShards} answers them. */
export type LockedShards = Map<string, Map<number, LockedShard>>;

/**
 * Locks shard rows in the order of their key, whatever the order asked for, so that two batches never wait for each
 * other in a circle; {@link lockedShards} reads what it answers.
 * @param wanted the shards to lock, by topic
 */
export function selectLockedShards(dialect: SqlDialect, wanted: Map<string, Set<number>>): Statement[] {
  // The topics are read after the locks are held: deleting a topic takes the same locks, so both rows are of one time.
  return [selectForUpdate(dialect, wanted), selectShards([...wanted.keys()])];
}

/** As {@link selectLockedShards} and {@link lockedShards}, in a round trip of its own. */
export async function lockShards(
  session: SqlSession,
  dialect: SqlDialect,
  wanted: Map<string, Set<number>>,
  counted: Map<string, number>,
): Promise<LockedShards> {
  return lockedShards(await session.run(...selectLockedShards(dialect, wanted)), wanted, counted);
}

/**
 * The shards that are locked.
 * @param counted how many shards each topic was thought to have
 * @throws ShardsChanged when a row is missing or a topic has another number of shards by now
 */
export function lockedShards(
  [rows, topicRows]: SqlResult[],
  wanted: Map<string, Set<number>>,
  counted: Map<string, number>,
): LockedShards {
  const topics = [...wanted.keys()];
  const locked: LockedShards = new Map();
  for (const row of rows?.rows ?? []) {
    const topic = textOf(row['topic']);
    const shard = Number(row['shard']);
    const nextOffset = Number(row['next_offset']);
    let ofTopic = locked.get(topic);
    if (!ofTopic) locked.set(topic, (ofTopic = new Map<number, LockedShard>()));
    ofTopic.set(shard, { topic, shard, nextOffset, lastAppendedAt: Number(row['last_appended_at']) });
  }
  const shards = shardsOf(topicRows?.rows ?? []);
  const changed = topics.filter((topic) => {
    const complete = locked.get(topic)?.size === wanted.get(topic)?.size;
    return !complete || shards.get(topic) !== counted.get(topic);
  });
  if (changed.length > 0) throw new ShardsChanged(changed);
  return locked;
}

function selectForUpdate(dialect: SqlDialect, wanted: Map<string, Set<number>>): Statement {
  const params: SqlValue[] = [];
  const conditions: string[] = [];
  for (const [topic, shards] of wanted) {
    conditions.push(`(topic = ? AND shard IN (${listPlaceholders(shards.size)}))`);
    params.push(topic, ...shards);
  }
  return {
    sql: `SELECT topic, shard, next_offset, last_appended_at FROM halfbox_shard${dialect.byPrimaryKey}
      WHERE ${conditions.join(' OR ')} ORDER BY topic, shard${dialect.forUpdate}`,
    params,
  };
}
