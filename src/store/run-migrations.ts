import type { DataSource } from 'typeorm';
import { migrations } from '../../migrations/index.js';
import { StoreStartError } from './store-start-error.js';

/**
 * Brings the schema up to this version; the caller holds the store's migration lock. Answers the names that ran.
 * @throws StoreStartError when the schema has a migration that this version does not know
 */
export async function runMigrations(dataSource: DataSource): Promise<string[]> {
  const known = new Set(migrations.map((migration) => new migration().name));
  const unknown = (await appliedMigrations(dataSource)).filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new StoreStartError(
      `the store's schema is newer than this version of halfbox: it does not know ${unknown.join(', ')}. Run the newer version; schemas do not go back`,
    );
  }
  const ran = await dataSource.runMigrations({ transaction: 'each' });
  return ran.map((migration) => migration.name);
}

async function appliedMigrations(dataSource: DataSource): Promise<string[]> {
  const queryRunner = dataSource.createQueryRunner();
  try {
    if (!(await queryRunner.hasTable('halfbox_migration'))) return [];
    const rows = (await queryRunner.query('SELECT name FROM halfbox_migration')) as { name: string }[];
    return rows.map((row) => row.name);
  } finally {
    await queryRunner.release();
  }
}
