import { Problem } from '../../message/problem.js';
import { textOf, type SqlDatabase, type SqlSession } from './database.js';
import { finishTopicRemoval } from './finish-topic-removal.js';
import { selectTopic } from './read-topics.js';
import { requireEmpty } from './remove-subscription.js';
import { transactionRefsOf, transactionStateCode } from './transaction-row.js';

/** Open transactions looked at in one round trip. */
const transactionsMax = 500;

/**
 * Deletes a topic, its subscriptions and messages. The first database transaction takes the topic and its shards away,
 * under the locks that appending takes, so that nothing can be added; the rest goes in small batches, and what a crash
 * leaves is finished by the next call about this name. Half messages stay with their transactions.
 * `not-empty` unless `force`. False when there is no such topic.
 */
export async function removeTopic(database: SqlDatabase, name: string, force: boolean): Promise<boolean> {
  if (!force && (await hasHalfMessages(database, name))) {
    throw new Problem(
      'not-empty',
      `the topic ${name} has messages of open transactions; force deletes it all the same`,
    );
  }
  const removedAt = await database.now();
  const removed = await database.transaction(async (session) => {
    const { forUpdate } = database.dialect;
    const [found] = await session.run(selectTopic(name, forUpdate), {
      sql: `SELECT shard FROM halfbox_shard WHERE topic = ? ORDER BY shard${forUpdate}`,
      params: [name],
    });
    if (!found?.rows[0]) return false;
    if (!force) await requireTopicEmpty(database, session, name);
    await session.finish(
      { sql: 'INSERT INTO halfbox_removed_topic (name, removed_at) VALUES (?, ?)', params: [name, removedAt] },
      { sql: 'DELETE FROM halfbox_topic WHERE name = ?', params: [name] },
      { sql: 'DELETE FROM halfbox_shard WHERE topic = ?', params: [name] },
    );
    return true;
  });
  const finished = await finishTopicRemoval(database, name);
  return removed || finished;
}

async function requireTopicEmpty(database: SqlDatabase, session: SqlSession, name: string): Promise<void> {
  const [subscriptions, scheduled] = await session.run(
    {
      sql: 'SELECT consumer_group FROM halfbox_subscription WHERE topic = ? AND removing = 0 ORDER BY consumer_group',
      params: [name],
    },
    { sql: 'SELECT 1 FROM halfbox_scheduled_message WHERE topic = ? LIMIT 1', params: [name] },
  );
  if (scheduled?.rows.length) {
    throw new Problem('not-empty', `the topic ${name} has delayed messages that are not due; force deletes them`);
  }
  for (const row of subscriptions?.rows ?? []) {
    await requireEmpty(database, session, name, textOf(row['consumer_group']));
  }
}

/** Whether a prepared or parked transaction has a message for the topic. A page at a time, in the order of the ids. */
async function hasHalfMessages(database: SqlDatabase, name: string): Promise<boolean> {
  let after = '';
  for (;;) {
    const [found] = await database.read({
      sql: `SELECT id, message_refs FROM halfbox_transaction
        WHERE id > ? AND state IN (?, ?) AND INSTR(message_refs, ?) > 0 ORDER BY id LIMIT ?`,
      params: [after, transactionStateCode.prepared, transactionStateCode.parked, `"${name}"`, transactionsMax],
    });
    const rows = found?.rows ?? [];
    // The text may stand for a tag or an id as well.
    if (rows.some((row) => transactionRefsOf(row).some((ref) => ref.topic === name))) return true;
    const last = rows.at(-1);
    if (rows.length < transactionsMax || !last) return false;
    after = textOf(last['id']);
  }
}
