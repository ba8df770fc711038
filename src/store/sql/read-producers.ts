import type { Page, Producer, SigningSecrets } from '../catalog-store.js';
import type { SqlDatabase } from './database.js';
import { pageOf } from './page.js';
import { producerColumns, producerOf, producerSecretsOf, selectProducer } from './producer-row.js';

export async function readProducer(
  database: SqlDatabase,
  name: string,
): Promise<{ producer: Producer; secrets: SigningSecrets | null } | null> {
  const [found] = await database.read(selectProducer(name));
  const row = found?.rows[0];
  return row ? { producer: producerOf(row), secrets: producerSecretsOf(row) } : null;
}

/** By name; `after` is the last name of the page before. */
export async function listProducers(
  database: SqlDatabase,
  after: string | undefined,
  limit: number,
): Promise<Page<Producer>> {
  const [found] = await database.read({
    sql: `SELECT ${producerColumns} FROM halfbox_producer WHERE name > ? ORDER BY name LIMIT ?`,
    params: [after ?? '', limit + 1],
  });
  return pageOf((found?.rows ?? []).map(producerOf), limit, (producer) => producer.name);
}
