import { Problem } from '../../message/problem.js';
import type { StartPosition, SubscriptionConfig } from '../../message/subscription.js';
import type { SigningSecrets } from '../catalog-store.js';
import type { Subscription } from '../subscription-store.js';
import { rowPlaceholders, type SqlDatabase, type SqlRow, type SqlSession } from './database.js';
import { readSubscription, selectSubscription } from './read-subscriptions.js';
import { deleteRemoved } from './remove-subscription.js';
import { lockStartOffsets, searchTime, type ShardOffsets } from './start-offsets.js';
import { secretsOf, subscriptionOf } from './subscription-row.js';

export interface SubscriptionPut {
  topic: string;
  group: string;
  config: SubscriptionConfig;
  startFrom: StartPosition;
  newSecret: string | undefined;
  now: number;
}

/** Tries before giving up: one that is being removed, or created by another caller, is met at most once each as a rule. */
const triesMax = 5;

/**
 * Creates a subscription with its lanes, or replaces its configuration. The lanes start at offsets read under the shard
 * rows' locks, which hold until the COMMIT: a commit is either before the position or is delivered.
 */
export async function putSubscription(
  database: SqlDatabase,
  put: SubscriptionPut,
): Promise<{ subscription: Subscription; created: boolean; secrets: SigningSecrets | null }> {
  const { topic, group, startFrom } = put;
  const searched = typeof startFrom === 'object' ? await searchTime(database, topic, startFrom.at) : undefined;
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const done = await tryPut(database, put, searched);
    if (done === 'removing') await deleteRemoved(database, topic, group);
    if (done === 'removing' || done === 'raced') continue;
    const stored = await readSubscription(database, topic, group);
    if (stored) return { ...stored, created: done === 'created' };
  }
  throw new Problem('unavailable', `${topic}/${group} is being removed and created again by others; try later`);
}

async function tryPut(
  database: SqlDatabase,
  put: SubscriptionPut,
  searched: ShardOffsets | undefined,
): Promise<'created' | 'replaced' | 'removing' | 'raced'> {
  try {
    return await database.transaction(async (session) => {
      const [found] = await session.run(selectSubscription(put.topic, put.group, database.dialect.forUpdate));
      const row = found?.rows[0];
      if (!row) {
        await create(database, session, put, searched);
        return 'created';
      }
      if (Number(row['removing']) === 1) return 'removing';
      await replace(session, put, row);
      return 'replaced';
    });
  } catch (error) {
    // Another caller created it in between.
    if (database.isDuplicate(error)) return 'raced';
    throw error;
  }
}

async function create(
  database: SqlDatabase,
  session: SqlSession,
  put: SubscriptionPut,
  searched: ShardOffsets | undefined,
): Promise<void> {
  const { topic, group, config, now } = put;
  const offsets = await lockStartOffsets(database, session, topic, put.startFrom, searched);
  if (offsets.size === 0) throw new Problem('topic-not-found', `there is no topic ${topic}`);
  // Epochs begin at the present time: the owner of a deleted subscription of this name never meets its own epoch again.
  const epoch = now;
  const lanes = [...offsets].flatMap(([shard, offset]) => [topic, group, shard, epoch, offset, '[]', '[]']);
  await session.finish(
    {
      sql: `INSERT INTO halfbox_subscription (topic, consumer_group, config, secrets, paused, generation, epoch,
          created_at, changed_at, expires_after_idle_ms, idle_until, removing)
        VALUES (?, ?, ?, ?, 0, 1, ?, ?, ?, ?, ?, 0)`,
      params: [
        topic,
        group,
        JSON.stringify(config),
        put.newSecret === undefined ? null : JSON.stringify({ current: put.newSecret } satisfies SigningSecrets),
        epoch,
        now,
        now,
        config.expiresAfterIdleMs,
        idleUntil(config, now),
      ],
    },
    {
      sql: `INSERT INTO halfbox_lane (topic, consumer_group, shard, epoch, settled_offset, settled_above, given)
        VALUES ${rowPlaceholders(offsets.size, 7)}`,
      params: lanes,
    },
  );
}

async function replace(session: SqlSession, put: SubscriptionPut, row: SqlRow): Promise<void> {
  const { topic, group, config, now } = put;
  const mode = subscriptionOf(row).config.mode;
  if (mode !== config.mode) {
    throw new Problem('already-exists', `the subscription ${topic}/${group} has the mode ${mode}, which is fixed`);
  }
  const known = secretsOf(row);
  const secrets = known ?? (put.newSecret === undefined ? null : { current: put.newSecret });
  await session.finish({
    sql: `UPDATE halfbox_subscription SET config = ?, secrets = ?, changed_at = ?, expires_after_idle_ms = ?, idle_until = ?
      WHERE topic = ? AND consumer_group = ?`,
    params: [
      JSON.stringify(config),
      secrets && JSON.stringify(secrets),
      now,
      config.expiresAfterIdleMs,
      idleUntil(config, now),
      topic,
      group,
    ],
  });
}

function idleUntil(config: SubscriptionConfig, now: number): number | undefined {
  return config.expiresAfterIdleMs === undefined ? undefined : now + config.expiresAfterIdleMs;
}
