import type { SigningSecrets } from '../catalog-store.js';
import type { SqlDatabase } from './database.js';
import { producerSecretsOf, selectProducer } from './producer-row.js';

/** Puts a new signing secret in force; the one before signs too until `previousUntil`. Null when there is no such producer. */
export function rotateProducerSecret(
  database: SqlDatabase,
  name: string,
  newSecret: string,
  previousUntil: number,
): Promise<SigningSecrets | null> {
  return database.transaction(async (session) => {
    const [found] = await session.run(selectProducer(name, database.dialect.forUpdate));
    const row = found?.rows[0];
    if (!row) return null;
    const previous = producerSecretsOf(row)?.current;
    const secrets: SigningSecrets =
      previous === undefined ? { current: newSecret } : { current: newSecret, previous, previousUntil };
    await session.finish({
      sql: 'UPDATE halfbox_producer SET secrets = ? WHERE name = ?',
      params: [JSON.stringify(secrets), name],
    });
    return secrets;
  });
}
