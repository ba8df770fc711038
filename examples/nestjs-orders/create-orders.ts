import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateOrders1700000000200 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      'CREATE TABLE shop_order (id CHAR(36) PRIMARY KEY, item VARCHAR(255) NOT NULL, euros INT NOT NULL)',
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE shop_order');
  }
}
