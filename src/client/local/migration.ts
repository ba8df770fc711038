import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectOf } from './dialect.js';
import { createStatements, dropStatements } from './tables.js';

/**
 * Makes the tables that Halfbox needs in an application's database (`halfbox_fence`, `halfbox_outbox`, `halfbox_inbox`),
 * for MySQL, MariaDB, PostgreSQL and SQLite: `new DataSource({ …, migrations: [HalfboxClientTables1700000000101] })`.
 * Tables that are there already stay as they are. `down` removes them with all that is in them.
 */
export class HalfboxClientTables1700000000101 implements MigrationInterface {
  /** TypeORM finds a migration that ran by its name, which a bundler may change. */
  readonly name = 'HalfboxClientTables1700000000101';

  async up(queryRunner: QueryRunner): Promise<void> {
    const statements = createStatements(dialectOf(queryRunner.dataSource), schemaOf(queryRunner));
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const statement of dropStatements(schemaOf(queryRunner)).reverse()) await queryRunner.query(statement);
  }
}

function schemaOf({ dataSource: { options } }: QueryRunner): string | undefined {
  return 'schema' in options ? options.schema : undefined;
}
