import { Problem } from '../../message/problem.js';
import type { Producer, SigningSecrets } from '../catalog-store.js';
import type { SqlDatabase, Statement } from './database.js';
import { producerConfig, producerOf, producerSecretsOf, selectProducer } from './producer-row.js';

/** Tries before giving up: one created or deleted by another caller is met at most once each as a rule. */
const triesMax = 5;

/** Creates or replaces a producer. `newSecret` is kept only where there is none yet; answers the secrets in force. */
export async function putProducer(
  database: SqlDatabase,
  producer: Producer,
  newSecret: string | undefined,
): Promise<SigningSecrets | null> {
  for (let tries = 1; tries <= triesMax; tries += 1) {
    try {
      return await tryPut(database, producer, newSecret);
    } catch (error) {
      // Another caller created it in between: now it is there to be replaced.
      if (!database.isDuplicate(error)) throw error;
    }
  }
  throw givenUp(producer.name);
}

function tryPut(
  database: SqlDatabase,
  producer: Producer,
  newSecret: string | undefined,
): Promise<SigningSecrets | null> {
  return database.transaction(async (session) => {
    const [found] = await session.run(selectProducer(producer.name, database.dialect.forUpdate));
    const row = found?.rows[0];
    const secrets = (row && producerSecretsOf(row)) ?? (newSecret === undefined ? null : { current: newSecret });
    await session.finish(
      row
        ? {
            sql: 'UPDATE halfbox_producer SET config = ?, secrets = ? WHERE name = ?',
            params: [producerConfig(producer), secrets && JSON.stringify(secrets), producer.name],
          }
        : insertProducer(producer, secrets),
    );
    return secrets;
  });
}

/** Creates a producer unless it is there; answers what is there. */
export async function ensureProducer(database: SqlDatabase, producer: Producer): Promise<Producer> {
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const [found] = await database.read(selectProducer(producer.name));
    const row = found?.rows[0];
    if (row) return producerOf(row);
    try {
      await database.transaction((session) => session.finish(insertProducer(producer, null)));
      return producer;
    } catch (error) {
      if (!database.isDuplicate(error)) throw error;
    }
  }
  throw givenUp(producer.name);
}

function insertProducer(producer: Producer, secrets: SigningSecrets | null): Statement {
  return {
    sql: 'INSERT INTO halfbox_producer (name, config, secrets, created_at) VALUES (?, ?, ?, ?)',
    params: [producer.name, producerConfig(producer), secrets && JSON.stringify(secrets), producer.createdAt],
  };
}

function givenUp(name: string): Problem {
  return new Problem('unavailable', `the producer ${name} is being changed by others; try later`, {
    retryAfterMs: 1_000,
  });
}
