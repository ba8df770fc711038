import { Problem } from '../../message/problem.js';
import type { Page, SigningSecrets } from '../catalog-store.js';
import type { ChangedSubscription, Subscription } from '../subscription-store.js';
import type { SqlDatabase, Statement } from './database.js';
import { secretsOf, subscriptionColumns, subscriptionOf } from './subscription-row.js';

/** Selects one subscription, also one that is being removed. */
export function selectSubscription(topic: string, group: string, lock = ''): Statement {
  return {
    sql: `SELECT ${subscriptionColumns}, removing, idle_until FROM halfbox_subscription
      WHERE topic = ? AND consumer_group = ?${lock}`,
    params: [topic, group],
  };
}

export async function readSubscription(
  database: SqlDatabase,
  topic: string,
  group: string,
): Promise<{ subscription: Subscription; secrets: SigningSecrets | null } | null> {
  const [found] = await database.read(selectSubscription(topic, group));
  const row = found?.rows[0];
  if (!row || Number(row['removing']) === 1) return null;
  return { subscription: subscriptionOf(row), secrets: secretsOf(row) };
}

/** By topic and group; `after` is the `next` of the page before. */
export async function listSubscriptions(
  database: SqlDatabase,
  after: string | undefined,
  limit: number,
  topic: string | undefined,
): Promise<Page<Subscription>> {
  const [afterTopic, afterGroup] = positionOf(after);
  const range =
    topic === undefined
      ? { where: 'topic >= ? AND (topic > ? OR consumer_group > ?)', params: [afterTopic, afterTopic, afterGroup] }
      : // A page of another topic is before or after all of this one.
        {
          where: 'topic = ? AND consumer_group > ?',
          params: [topic, after === undefined || afterTopic < topic ? '' : afterGroup],
        };
  if (topic !== undefined && after !== undefined && afterTopic > topic) return { items: [], next: null };
  const [found] = await database.read({
    sql: `SELECT ${subscriptionColumns} FROM halfbox_subscription
      WHERE ${range.where} AND removing = 0 ORDER BY topic, consumer_group LIMIT ?`,
    params: [...range.params, limit + 1],
  });
  const all = (found?.rows ?? []).map(subscriptionOf);
  const items = all.slice(0, limit);
  const last = items.at(-1);
  return { items, next: all.length > limit && last ? `${last.topic}/${last.group}` : null };
}

/** Subscriptions that were changed at `since` or later, oldest change first. */
export async function listChangedSince(
  database: SqlDatabase,
  since: number,
  limit: number,
): Promise<ChangedSubscription[]> {
  const [found] = await database.read({
    sql: `SELECT ${subscriptionColumns}, changed_at FROM halfbox_subscription
      WHERE changed_at >= ? AND removing = 0 ORDER BY changed_at LIMIT ?`,
    params: [since, limit],
  });
  return (found?.rows ?? []).map((row) => ({ ...subscriptionOf(row), changedAt: Number(row['changed_at']) }));
}

/** Neither a topic nor a group holds a slash. */
function positionOf(after: string | undefined): [topic: string, group: string] {
  if (after === undefined) return ['', ''];
  const slash = after.indexOf('/');
  if (slash < 0) {
    throw new Problem('validation-failed', 'after is not the next of a page', {
      fields: [{ path: 'after', reason: 'must be the next of the page before' }],
    });
  }
  return [after.slice(0, slash), after.slice(slash + 1)];
}
