import type { SigningSecrets } from '../catalog-store.js';
import type { SqlDatabase } from './database.js';
import { selectSubscription } from './read-subscriptions.js';
import { secretsOf } from './subscription-row.js';

/** Puts a new signing secret in force; the one before signs too until `previousUntil`. Null when there is no such subscription. */
export async function rotateSubscriptionSecret(
  database: SqlDatabase,
  topic: string,
  group: string,
  newSecret: string,
  previousUntil: number,
): Promise<SigningSecrets | null> {
  const now = await database.now();
  return database.transaction(async (session) => {
    const [found] = await session.run(selectSubscription(topic, group, database.dialect.forUpdate));
    const row = found?.rows[0];
    if (!row || Number(row['removing']) === 1) return null;
    const previous = secretsOf(row)?.current;
    const secrets: SigningSecrets =
      previous === undefined ? { current: newSecret } : { current: newSecret, previous, previousUntil };
    await session.finish({
      sql: 'UPDATE halfbox_subscription SET secrets = ?, changed_at = ? WHERE topic = ? AND consumer_group = ?',
      params: [JSON.stringify(secrets), now, topic, group],
    });
    return secrets;
  });
}
