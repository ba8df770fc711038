import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateBills1700000000200 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      'CREATE TABLE bill (number INT PRIMARY KEY AUTO_INCREMENT, order_id CHAR(36) NOT NULL, euros INT NOT NULL)',
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE bill');
  }
}
