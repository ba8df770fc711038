import { randomBytes } from 'node:crypto';
import { newId } from '../../message/message-id.js';
import { textOf, type SqlDatabase, type Statement } from './database.js';

const selectIdentity: Statement = { sql: 'SELECT store_id, node_secret FROM halfbox_store WHERE id = 1' };

/** The store's id and its nodes' secret (32 random bytes, base64url); whichever node asks first makes them. */
export async function storeIdentity(database: SqlDatabase): Promise<{ storeId: string; nodeSecret: string }> {
  const known = await readIdentity(database);
  if (known) return known;
  await database.transaction((session) =>
    session.finish({
      sql: `INSERT INTO halfbox_store (id, store_id, node_secret) VALUES (1, ?, ?)${database.dialect.onConflictKeep(['id'])}`,
      params: [newId(), randomBytes(32).toString('base64url')],
    }),
  );
  // Read back: another node may have been first.
  const made = await readIdentity(database);
  if (!made) throw new Error('halfbox_store is empty after an insert');
  return made;
}

async function readIdentity(database: SqlDatabase): Promise<{ storeId: string; nodeSecret: string } | null> {
  const [found] = await database.read(selectIdentity);
  const row = found?.rows[0];
  return row ? { storeId: textOf(row['store_id']), nodeSecret: textOf(row['node_secret']) } : null;
}
