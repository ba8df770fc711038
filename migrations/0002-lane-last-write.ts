import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Gives each lane the number of its owner's last write: an earlier one that the server runs late must not undo it. */
export class LaneLastWrite1700000000002 implements MigrationInterface {
  readonly name: string = 'LaneLastWrite1700000000002';

  /** May be run again where it was broken off: MySQL and MariaDB commit each change of a table by itself. */
  async up(queryRunner: QueryRunner): Promise<void> {
    if (await queryRunner.hasColumn('halfbox_lane', 'last_write')) return;
    await queryRunner.query('ALTER TABLE halfbox_lane ADD COLUMN last_write BIGINT NOT NULL DEFAULT 0');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE halfbox_lane DROP COLUMN last_write');
  }
}
